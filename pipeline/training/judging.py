"""The score that is followed during training."""

import logging

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from pipeline.base.findings import FINDINGS
from pipeline.base.listing import listed
from pipeline.errors import CohortError

log = logging.getLogger(__name__)


def mean_auroc(targets: Shaped[np.ndarray, "n f"], scores: Float[np.ndarray, "n f"]) -> float:
    """Mean AUROC over the findings that have both classes; ties count half.

    Args:
        targets: 1, 0, or NaN: unknown, so that the image has no part in that finding's AUROC.
        scores: higher for what looks more positive.

    By Mann and Whitney's U from mid-ranks. It stands apart from `results.metrics` so that a
    change to the evaluation never retrains a network.

    Raises:
        ValueError: no finding has both classes.
    """
    is_positive, known = targets == 1, ~np.isnan(targets)
    positives = is_positive.sum(axis=0)
    negatives = known.sum(axis=0) - positives
    judged = (positives > 0) & (negatives > 0)
    if not judged.any():
        raise ValueError(f"no finding has both classes among {len(targets)} images")
    ranks = pd.DataFrame(scores[:, judged]).where(known[:, judged]).rank().to_numpy()  # mid-ranks
    won = np.where(is_positive[:, judged], ranks, 0.0).sum(axis=0)
    u = won - positives[judged] * (positives[judged] + 1) / 2
    return float((u / (positives[judged] * negatives[judged])).mean())


def expect_judgeable(targets: Float[Tensor, "n f"], *, split: str) -> None:
    """Make sure, before anything is learnt, that `mean_auroc` will have a finding to judge by.

    Findings of one class are named in the log.

    Raises:
        CohortError: no finding has both classes.
    """
    images, findings = targets.shape
    unknown = targets.isnan().all(dim=0)
    never, always = (~(targets == label).any(dim=0) & ~unknown for label in (1, 0))
    alike = (never | always | unknown).nonzero().flatten().tolist()
    if len(alike) == findings:
        raise CohortError(
            f"no finding has both classes among the {images} {split} images: {int(never.sum())} "
            f"findings are positive in none, {int(always.sum())} in all{_besides(unknown)}, so no "
            "AUROC can be followed; use more patients, or raise split.min_positives or "
            "split.val_fraction"
        )
    if alike:
        names = FINDINGS if findings == len(FINDINGS) else [str(n) for n in range(findings)]
        log.warning(
            "%d of %d findings have one class only among the %d %s images%s, and are left out of "
            "the mean AUROC of each epoch: %s",
            len(alike), findings, images, split, _besides(unknown),
            listed(names[number] for number in alike),
        )  # fmt: skip


def _besides(unknown: Bool[Tensor, " f"]) -> str:
    return f", or no known label ({int(unknown.sum())})" if unknown.any() else ""
