"""Bootstrap over patients: several images of one patient are not independent evidence."""

import numpy as np
from jaxtyping import Float

from pipeline.results.statistics.metrics import Ranking, auroc, both

LEVEL = 0.95
"""Coverage that the intervals aim at."""

_BLOCK = 128  # replicates at a time: bounds memory to a few tens of MB


def patient_counts(
    patients: int, *, replicates: int, seed: int
) -> Float[np.ndarray, "patients replicates"]:
    """How often each patient is drawn in each replicate: as many draws as patients."""
    rng = np.random.default_rng(seed)
    counts = np.empty((patients, replicates))
    for replicate in range(replicates):
        drawn = rng.integers(patients, size=patients)
        counts[:, replicate] = np.bincount(drawn, minlength=patients)
    return counts


def replicate_both(
    ranking: Ranking, counts: Float[np.ndarray, "patients replicates"]
) -> tuple[Float[np.ndarray, " replicates"], Float[np.ndarray, " replicates"]]:
    """AUROC and average precision in every replicate; NaN where it holds only one class.

    Args:
        ranking: with patients as units.
        counts: of `patient_counts`; the same ones for every system make differences paired.
    """
    starts = range(0, counts.shape[1], _BLOCK)
    blocks = [both(ranking, counts[:, start : start + _BLOCK]) for start in starts]
    none = np.empty(0)
    aurocs, precisions = zip(*blocks, (none, none), strict=True)
    return np.concatenate(aurocs), np.concatenate(precisions)


def replicate_aurocs(
    ranking: Ranking, counts: Float[np.ndarray, "patients replicates"]
) -> Float[np.ndarray, " replicates"]:
    """The AUROCs of `replicate_both`, for half of the price."""
    starts = range(0, counts.shape[1], _BLOCK)
    blocks = [auroc(ranking, counts[:, start : start + _BLOCK]) for start in starts]
    return np.concatenate([*blocks, np.empty(0)])


def percentile_interval(
    replicates: Float[np.ndarray, " replicates"], *, level: float = LEVEL
) -> tuple[float, float]:
    """The central `level` of the replicates (Efron and Tibshirani 1993, Sec. 13.3)."""
    tail = (1 - level) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return float(low), float(high)
