"""The score that is followed during training."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float


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
