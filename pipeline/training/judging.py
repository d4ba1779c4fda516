"""The score that is followed during training."""

import logging

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from torch import Tensor

from pipeline.base.findings import FINDINGS
from pipeline.base.listing import listed
from pipeline.errors import CohortError

log = logging.getLogger(__name__)


def mean_auroc(targets: Bool[np.ndarray, "n f"], scores: Float[np.ndarray, "n f"]) -> float:
    """Mean AUROC over the findings that have both classes; ties count half.

    By Mann and Whitney's U from mid-ranks. It stands apart from `results.metrics` so that a
    change to the evaluation never retrains a network.

    Raises:
        ValueError: no finding has both classes.
    """
    positives = targets.sum(axis=0)
    negatives = len(targets) - positives
    judged = (positives > 0) & (negatives > 0)
    if not judged.any():
        raise ValueError(f"no finding has both classes among {len(targets)} images")
    ranks = pd.DataFrame(scores[:, judged]).rank().to_numpy()  # mid-ranks
    u = (ranks * targets[:, judged]).sum(axis=0) - positives[judged] * (positives[judged] + 1) / 2
    return float((u / (positives[judged] * negatives[judged])).mean())


def expect_judgeable(targets: Float[Tensor, "n f"], *, split: str) -> None:
    """Make sure, before anything is learnt, that `mean_auroc` will have a finding to judge by.

    Findings of one class are named in the log.

    Raises:
        CohortError: no finding has both classes.
    """
    images, findings = targets.shape
    never, always = (targets == 0).all(dim=0), (targets == 1).all(dim=0)
    alike = (never | always).nonzero().flatten().tolist()
    if len(alike) == findings:
        raise CohortError(
            f"no finding has both classes among the {images} {split} images: {int(never.sum())} "
            f"findings are positive in none, {int(always.sum())} in all, so no AUROC can be "
            "followed; use more patients, or raise split.min_positives or split.val_fraction"
        )
    if alike:
        names = FINDINGS if findings == len(FINDINGS) else [str(n) for n in range(findings)]
        log.warning(
            "%d of %d findings have one class only among the %d %s images, and are left out of "
            "the mean AUROC of each epoch: %s",
            len(alike), findings, images, split, listed(names[number] for number in alike),
        )  # fmt: skip
