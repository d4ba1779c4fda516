"""DeLong's test: the usual one, which takes every image for independent evidence."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Num
from scipy.special import ndtr, ndtri

from pipeline.results.statistics.bootstrap import LEVEL
from pipeline.results.statistics.estimate import Interval


class Placements(NamedTuple):
    """Structural components of an AUROC (DeLong, DeLong and Clarke-Pearson 1988)."""

    of_positives: Float[np.ndarray, " m"]
    """Share of the negatives that each positive stands above, ties by half."""
    of_negatives: Float[np.ndarray, " n"]
    """Share of the positives that stand above each negative, ties by half."""

    @property
    def auroc(self) -> float:
        """Mann and Whitney's."""
        return float(self.of_positives.mean())


def placements(targets: Bool[np.ndarray, " n"], scores: Num[np.ndarray, " n"]) -> Placements:
    """By mid-ranks in O(n log n) (Sun and Xu 2014, eq. 14 to 16); a class may not be missing."""
    together = _mid_ranks(scores)
    positives, negatives = scores[targets], scores[~targets]
    return Placements(
        (together[targets] - _mid_ranks(positives)) / len(negatives),
        1 - (together[~targets] - _mid_ranks(negatives)) / len(positives),
    )


def _mid_ranks(scores: Num[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Equal scores share the mean of their ranks; pandas is loaded anyway, scipy.stats is not."""
    return np.asarray(pd.Series(scores).rank(), np.float64)


def covariance(systems: Sequence[Placements]) -> Float[np.ndarray, "k k"]:
    """Of the AUROCs of k systems on the same images; NaN if a class has one image only."""
    positives = np.stack([one.of_positives for one in systems])
    negatives = np.stack([one.of_negatives for one in systems])
    if min(positives.shape[1], negatives.shape[1]) < 2:
        return np.full((len(systems), len(systems)), np.nan)
    shares = np.cov(positives) / positives.shape[1] + np.cov(negatives) / negatives.shape[1]
    return np.atleast_2d(shares)


def delong_interval(one: Placements, *, level: float = LEVEL) -> Interval:
    """Normal interval, cut at 0 and 1; too narrow where patients have several images."""
    half = ndtri((1 + level) / 2) * np.sqrt(covariance([one])[0, 0])
    return Interval(*(float(v) for v in np.clip([one.auroc - half, one.auroc + half], 0, 1)))


def delong_p_value(one: Placements, other: Placements) -> float:
    """Two-sided, of equal AUROCs; 1 where they never differ. Too small, as the interval is."""
    by = covariance([one, other])
    variance = by[0, 0] + by[1, 1] - 2 * by[0, 1]
    difference = abs(one.auroc - other.auroc)
    if variance <= 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * ndtr(-difference / np.sqrt(variance)))
