"""An estimate with what tells how sure it is: replicates, influence, intervals and p-values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

from pipeline.results.statistics.bootstrap import LEVEL, percentile_interval


@dataclass(frozen=True)
class Estimate:
    """A number computed from patients, and how it varies with them.

    Estimates of the same patients and replicates can be averaged and subtracted; what they share
    then cancels out, as it does in a paired test.
    """

    value: float
    replicates: Float[np.ndarray, " r"]
    """The value in every replicate of the bootstrap."""
    influence: Float[np.ndarray, " patients"]
    """Derivative of the value by each patient's weight; sums to nought."""
    sure: bool = True
    """Whether so many patients stand behind it that replicates tell how it varies: else it has
    neither interval nor p-value."""

    def __sub__(self, other: "Estimate") -> "Estimate":
        """The paired difference."""
        return Estimate(
            self.value - other.value,
            self.replicates - other.replicates,
            self.influence - other.influence,
            self.sure and other.sure,
        )


class Interval(NamedTuple):
    """Both NaN where nothing tells how the estimate varies."""

    low: float
    high: float


UNKNOWN = Interval(np.nan, np.nan)


def average(estimates: Sequence[Estimate]) -> Estimate:
    """Their mean, all weighing the same; sure if at least half of them are.

    Raises:
        ValueError: there are none.
    """
    if not estimates:
        raise ValueError("no estimates to average")
    return Estimate(
        float(np.mean([one.value for one in estimates])),
        np.mean([one.replicates for one in estimates], axis=0),
        np.mean([one.influence for one in estimates], axis=0),
        2 * sum(one.sure for one in estimates) >= len(estimates),
    )


def percentile(one: Estimate) -> Interval:
    """The replicates' own quantiles."""
    return Interval(*percentile_interval(one.replicates)) if _varies(one) else UNKNOWN


def bca(one: Estimate, *, level: float = LEVEL) -> Interval:
    """Bias-corrected and accelerated interval (Efron and Tibshirani 1993, Sec. 14.3).

    The bias is read from the share of replicates below the value (half of those that equal it),
    the acceleration from the skewness of the influence.
    """
    if not _varies(one):
        return UNKNOWN
    below = np.mean(one.replicates < one.value) + np.mean(one.replicates == one.value) / 2
    least = 0.5 / len(one.replicates)
    bias = ndtri(np.clip(below, least, 1 - least))
    spread = np.sum(one.influence**2)
    skew = np.sum(one.influence**3) / (6 * spread**1.5) if spread > 0 else 0.0
    tail = ndtri((1 - level) / 2)
    shares = [ndtr(bias + (bias + z) / (1 - skew * (bias + z))) for z in (tail, -tail)]
    low, high = np.quantile(one.replicates, shares)
    return Interval(float(low), float(high))


def p_value(difference: Estimate) -> float:
    """Two-sided, of the hypothesis that the difference is nought; NaN as intervals are.

    Twice the smaller share of replicates on one side of nought, those at nought counted on both
    sides, and the sample itself counted as one more replicate (Davison and Hinkley 1997, Sec.
    4.2): so never below 2 / (replicates + 1).
    """
    drawn = difference.replicates
    if not _varies(difference):
        return float("nan")
    beyond = min(np.sum(drawn <= 0), np.sum(drawn >= 0)) + 1
    return float(min(1.0, 2 * beyond / (len(drawn) + 1)))


def _varies(one: Estimate) -> bool:
    return one.sure and len(one.replicates) > 0
