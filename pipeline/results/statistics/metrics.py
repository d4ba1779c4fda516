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
    targets: Bool[np.ndarray, " n"],
    scores: Num[np.ndarray, " n"],
    unit: Int[np.ndarray, " n"],
    *,
    units: int | None = None,
) -> Ranking:
    """Sort n images by score, and add them up by unit: the row of a weighting each belongs to.

    Args:
        targets: true for positives.
        scores: higher for what looks more positive.
        unit: of each image.
        units: how many there are, where the last ones may have no image here.

    Raises:
        ValueError: a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise ValueError(f"{(~np.isfinite(scores)).sum()} of {len(scores)} scores are not finite")
    units = int(unit.max(initial=-1)) + 1 if units is None else units
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
    return _auroc(*_weighed(ranking, weights))


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
    return _average_precision(*_weighed(ranking, weights))


def both(
    ranking: Ranking, weights: Float[np.ndarray, "units r"]
) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, " r"]]:
    """`auroc` and `average_precision` for little more than the price of one."""
    weighed = _weighed(ranking, weights)
    return _auroc(*weighed), _average_precision(*weighed)


def _weighed(
    ranking: Ranking, weights: Float[np.ndarray, "units r"]
) -> tuple[Float[np.ndarray, "g r"], Float[np.ndarray, "runs r"]]:
    """Positives at each score, and negatives up to each run."""
    return ranking.positives @ weights, np.cumsum(ranking.negatives @ weights, axis=0)


def _auroc(
    positives: Float[np.ndarray, "g r"], negatives: Float[np.ndarray, "runs r"]
) -> Float[np.ndarray, " r"]:
    twice_below = negatives[:-1:2] + negatives[1::2]
    total = 2 * positives.sum(axis=0) * negatives[-1]
    return ratio(np.einsum("gr,gr->r", positives, twice_below), total)


def _average_precision(
    positives: Float[np.ndarray, "g r"], negatives: Float[np.ndarray, "runs r"]
) -> Float[np.ndarray, " r"]:
    hits = np.cumsum(positives[::-1], axis=0)[::-1]
    called = hits + negatives[-1] - negatives[:-1:2]
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    return ratio(np.einsum("gr,gr->r", positives, precision), positives.sum(axis=0))


def auroc_influence(ranking: Ranking) -> Float[np.ndarray, " units"]:
    """How the AUROC of all units moves as one of them comes to weigh more: its derivative.

    The empirical influence function (Efron 1982), divided by the number of units: it sums to
    nought, and the sum of its squares is the infinitesimal jackknife's variance, which clusters of
    images do not mislead (Obuchowski 1997, where units are patients). NaN if a class is missing.
    """
    positives, negatives = ranking.positives.sum(axis=1), ranking.negatives.sum(axis=1)
    below = np.cumsum(negatives)
    twice_below = below[:-1:2] + below[1::2]
    at_or_above = np.append(np.cumsum(positives[::-1])[::-1], 0.0)
    twice_above = np.empty(len(negatives))
    twice_above[::2] = 2 * at_or_above
    twice_above[1::2] = at_or_above[:-1] + at_or_above[1:]
    won = ranking.positives.T @ twice_below + ranking.negatives.T @ twice_above
    pairs = 2 * positives.sum() * negatives.sum()
    area = ratio(np.array([positives @ twice_below]), np.array([pairs]))
    more_pairs = 2 * (
        ranking.positives.sum(axis=0) * negatives.sum()
        + ranking.negatives.sum(axis=0) * positives.sum()
    )
    return ratio(won - area * more_pairs, np.full(len(won), pairs))


def average_precision_influence(ranking: Ranking) -> Float[np.ndarray, " units"]:
    """As `auroc_influence`, of the average precision."""
    positives, negatives = ranking.positives.sum(axis=1), ranking.negatives.sum(axis=1)
    hits = np.cumsum(positives[::-1])[::-1]
    called = hits + negatives.sum() - np.cumsum(negatives)[:-1:2]
    precision = ratio(hits, called)
    diluted = np.append(0.0, np.cumsum(positives * ratio(precision, called)))
    gained = precision + np.cumsum(positives / called) - diluted[1:]
    lost = np.empty(len(negatives))
    lost[::2] = diluted
    lost[1::2] = diluted[1:]
    moved = ranking.positives.T @ gained - ranking.negatives.T @ lost
    total = positives.sum()
    reached = ratio(np.array([positives @ precision]), np.array([total]))
    moved -= reached * ranking.positives.sum(axis=0)
    return ratio(moved, np.full(len(moved), total))


def ratio(
    value: Float[np.ndarray, "*n"], total: Shaped[np.ndarray, "*n"]
) -> Float[np.ndarray, "*n"]:
    """`value / total`; NaN where the total is nought."""
    quotient = np.full_like(value, np.nan)
    np.divide(value, total, out=quotient, where=total > 0)
    return quotient


def precision_recall_curve(
    targets: Bool[np.ndarray, " n"], scores: Num[np.ndarray, " n"], *, points: int = ROC_POINTS
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """Recall, rising to 1, and precision there; thinned to at most `points` recalls.

    Raises:
        ValueError: no positive.
    """
    if not targets.any():
        raise ValueError("a precision-recall curve needs positives")
    thresholds, group = np.unique(-scores, return_inverse=True)
    hits, called = (
        np.cumsum(np.bincount(group[rows], minlength=len(thresholds)))
        for rows in (targets, slice(None))
    )
    recall = hits / targets.sum()
    first = np.flatnonzero(np.diff(hits, prepend=0))  # the best precision of its recall
    steps = np.linspace(recall[first[0]], 1, points)
    kept = first[np.unique(np.searchsorted(recall[first], steps - 1e-12))]
    return recall[kept], hits[kept] / called[kept]


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
