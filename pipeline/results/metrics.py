"""AUROC, average precision and ROC curves; sorted once, then weighed as often as one likes."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num, Shaped
from scipy import sparse

ROC_POINTS = 60
"""Most points of a written ROC curve; the area is never computed from them."""


class Ranking(NamedTuple):
    """Scores in order, as sums over units (patients, or images) that a weighting multiplies.

    The g distinct scores that some positive has cut the negatives into 2 g + 1 runs: below the
    first score, tied with it, between the first and the second, ..., above the last.
    """

    positives: sparse.csr_array
    """g x units: positives at each of those scores."""
    negatives: sparse.csr_array
    """(2 g + 1) x units: negatives in each run, ascending."""


def rank(
    targets: Bool[np.ndarray, " n"], scores: Num[np.ndarray, " n"], unit: Int[np.ndarray, " n"]
) -> Ranking:
    """Sort n images by score, and add them up by unit: the row of a weighting each belongs to.

    Raises:
        ValueError: a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise ValueError(f"{(~np.isfinite(scores)).sum()} of {len(scores)} scores are not finite")
    units = int(unit.max(initial=-1)) + 1
    steps, group = np.unique(scores[targets], return_inverse=True)
    others = scores[~targets]
    run = np.searchsorted(steps, others, "left") + np.searchsorted(steps, others, "right")
    return Ranking(
        _counts(group, unit[targets], (len(steps), units)),
        _counts(run, unit[~targets], (2 * len(steps) + 1, units)),
    )


def _counts(
    row: Int[np.ndarray, " m"], unit: Int[np.ndarray, " m"], shape: tuple[int, int]
) -> sparse.csr_array:
    return sparse.coo_array((np.ones(len(row)), (row, unit)), shape=shape).tocsr()


def auroc(ranking: Ranking, weights: Float[np.ndarray, "units r"]) -> Float[np.ndarray, " r"]:
    """P(positive scores above negative) + P(tie) / 2, by Mann and Whitney's U.

    Args:
        ranking: of `rank`.
        weights: how often each unit counts, in r weightings; whole numbers give exact sums.

    Returns:
        In [0, 1]; NaN where a weighting leaves only one class.
    """
    positives = ranking.positives @ weights
    negatives = np.cumsum(ranking.negatives @ weights, axis=0)
    twice_below = negatives[:-1:2] + negatives[1::2]
    total = 2 * positives.sum(axis=0) * negatives[-1]
    return ratio(np.einsum("gr,gr->r", positives, twice_below), total)


def auroc_of(targets: Bool[np.ndarray, " n"], scores: Num[np.ndarray, " n"]) -> float:
    """AUROC with every image counted once; NaN if a class is missing."""
    ranking = rank(targets, scores, np.zeros(len(targets), np.int64))
    return float(auroc(ranking, np.ones((1, 1)))[0])


def average_precision(
    ranking: Ranking, weights: Float[np.ndarray, "units r"]
) -> Float[np.ndarray, " r"]:
    """Sum over thresholds of (recall gained) x (precision there), not interpolated.

    A constant score reaches the prevalence. Arguments as in `auroc`; NaN where a weighting
    leaves no positive.
    """
    positives = ranking.positives @ weights
    negatives = np.cumsum(ranking.negatives @ weights, axis=0)
    hits = np.cumsum(positives[::-1], axis=0)[::-1]
    called = hits + negatives[-1] - negatives[:-1:2]
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    return ratio(np.einsum("gr,gr->r", positives, precision), positives.sum(axis=0))


def ratio(
    value: Float[np.ndarray, "*n"], total: Shaped[np.ndarray, "*n"]
) -> Float[np.ndarray, "*n"]:
    """`value / total`; NaN where the total is nought."""
    quotient = np.full_like(value, np.nan)
    np.divide(value, total, out=quotient, where=total > 0)
    return quotient


def roc_curve(
    targets: Bool[np.ndarray, " n"], scores: Num[np.ndarray, " n"], *, points: int = ROC_POINTS
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """False and true positive rates from (0, 0) to (1, 1), thinned to at most `points` vertices.

    The vertices kept lie at even steps along the curve, so that a steep start keeps its shape.

    Raises:
        ValueError: a class is missing.
    """
    if targets.all() or not targets.any():
        raise ValueError("a ROC curve needs positives and negatives")
    thresholds, group = np.unique(-scores, return_inverse=True)
    tpr, fpr = (
        np.append(0.0, np.cumsum(np.bincount(group[side], minlength=len(thresholds))) / side.sum())
        for side in (targets, ~targets)
    )
    # fpr + tpr grows strictly from 0 to 2: every distinct score holds an image
    kept = np.unique(np.searchsorted(fpr + tpr, np.linspace(0, 2, points) - 1e-12))
    return fpr[kept], tpr[kept]
