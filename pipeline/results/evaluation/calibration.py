"""Probabilities that mean what they say: two calibrations of a finding, and how far off it is."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.optimize import root
from scipy.special import expit, logit

_NEAREST_0, _NEAREST_1 = 2.0**-150, 1 - 2.0**-25
"""In place of exact 0 and 1: beyond every other float32 probability, so that the order stays."""

_FIT_LOGIT = 16.0
"""Logits are fitted on no further out: one positive image at p = 0 would decide the slope."""

_LEAST_SLOPE = 1e-6
"""Flatter, and rounding to float64 gives neighbouring float32 probabilities one value."""


class Calibration(NamedTuple):
    """A line on the logit scale: logit' = slope * logit + intercept."""

    slope: float
    """Above nought: a calibration keeps the order of the images."""
    intercept: float
    fitted: bool
    """False: the identity, because no such line could be fitted."""


IDENTITY = Calibration(slope=1.0, intercept=0.0, fitted=False)

Calibrator = Callable[[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]], Calibration]
"""Probabilities and targets of one finding on validation images to the line that fits them."""


def platt(probs: Float[np.ndarray, " n"], targets: Bool[np.ndarray, " n"]) -> Calibration:
    """Slope and intercept of least log loss, against Platt's smoothed targets (Platt 1999).

    A positive counts as (N+ + 1) / (N+ + 2) and a negative as 1 / (N- + 2), so that the slope
    stays finite where the classes are separated.

    Returns:
        The identity, `fitted` False, if a class is missing, all probabilities are equal, or the
        best slope is not positive.

    Raises:
        ValueError: a probability is not in [0, 1].
    """
    positives = np.count_nonzero(targets)
    negatives = len(targets) - positives
    aims = np.where(targets, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    return _fit(_fit_logits(probs), aims, shift=True)


def temperature(probs: Float[np.ndarray, " n"], targets: Bool[np.ndarray, " n"]) -> Calibration:
    """Slope alone of least log loss, 1 / T of Guo et al. 2017, arXiv:1706.04599, Sec. 4.2.

    Returns:
        The identity, `fitted` False, as for `platt`, and where p = 0.5 separates the classes: no
        slope is the best then.

    Raises:
        ValueError: a probability is not in [0, 1].
    """
    logits = _fit_logits(probs)
    right = np.where(targets, logits, -logits)
    if (right >= 0).all() or (right <= 0).all():
        return IDENTITY
    return _fit(logits, targets.astype(np.float64), shift=False)


CALIBRATIONS: dict[str, Calibrator] = {"platt": platt, "temperature": temperature}


def calibrate(probs: Float[np.ndarray, " n"], calibration: Calibration) -> Float[np.ndarray, " n"]:
    """Probabilities moved along the line, as float64 within (0, 1), 0 and 1 left out.

    Ascending as `probs`, and strictly so for float32 probabilities short of where float64 runs
    out below 1 (a calibrated logit of about 30).

    Raises:
        ValueError: a probability is not in [0, 1].
    """
    moved = expit(calibration.slope * _logits(probs) + calibration.intercept)
    return np.asarray(np.clip(moved, np.finfo(np.float64).tiny, np.nextafter(1.0, 0.0)))


def _logits(probs: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    outside = ~((probs >= 0) & (probs <= 1))
    if outside.any():
        raise ValueError(f"{outside.sum()} of {len(probs)} probabilities are not in [0, 1]")
    return np.asarray(logit(np.clip(probs.astype(np.float64), _NEAREST_0, _NEAREST_1)))


def _fit_logits(probs: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.asarray(np.clip(_logits(probs), -_FIT_LOGIT, _FIT_LOGIT))


def _fit(
    logits: Float[np.ndarray, " n"], aims: Float[np.ndarray, " n"], *, shift: bool
) -> Calibration:
    """Where the gradient of the log loss, which is convex, is nought (Levenberg and Marquardt).

    On standard scores, so that its tolerance means the same for every system.
    """
    if len(np.unique(logits)) < 2 or len(np.unique(aims)) < 2:
        return IDENTITY
    centre = float(logits.mean()) if shift else 0.0
    scale = np.sqrt(np.mean((logits - centre) ** 2))
    rows = np.stack([(logits - centre) / scale, np.ones_like(logits)][: 1 + shift])

    def gradient(line: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        return np.asarray(np.mean((expit(line @ rows) - aims) * rows, axis=1))

    def hessian(line: Float[np.ndarray, " k"]) -> Float[np.ndarray, "k k"]:
        spread = expit(line @ rows) * expit(-line @ rows)
        return np.asarray(np.mean(spread * rows[:, None] * rows[None], axis=2))

    found = root(gradient, np.zeros(len(rows)), jac=hessian, method="lm", tol=1e-12)
    slope = float(found.x[0] / scale)
    if not found.success or slope < _LEAST_SLOPE:
        return IDENTITY
    return Calibration(slope, float(found.x[1:].sum()) - slope * centre, fitted=True)


def expected_calibration_error(
    probs: Float[np.ndarray, " n"], targets: Bool[np.ndarray, " n"], *, bins: int = 15
) -> float:
    """Mean over images of |mean probability - share of positives| of their bin.

    Guo et al. 2017, Eq. 3, of the probability of one finding: bins of equal width, closed below;
    p = 1 is in the last one.
    """
    exact = probs.astype(np.float64)
    row = np.minimum((exact * bins).astype(np.int64), bins - 1)
    return float(np.abs(np.bincount(row, weights=exact - targets)).sum() / len(probs))


def brier(probs: Float[np.ndarray, " n"], targets: Bool[np.ndarray, " n"]) -> float:
    """Mean squared distance of the probability from 0 or 1 (Brier 1950, one class's half)."""
    return float(np.mean((probs.astype(np.float64) - targets) ** 2))


def reliability(
    probs: Float[np.ndarray, " n"], targets: Bool[np.ndarray, " n"], *, bins: int = 10
) -> pd.DataFrame:
    """Mean probability against share of positives, in bins of about equally many images.

    Equal probabilities share a bin, the one of their middle rank; a bin left empty is left out.

    Returns:
        `predicted`, `observed` and `images` (how many), one row a bin, ascending.
    """
    _, group, equal = np.unique(probs, return_inverse=True, return_counts=True)
    twice_middle = 2 * np.cumsum(equal) - equal
    row = (twice_middle * bins // (2 * len(probs)))[group]
    images = pd.DataFrame({"predicted": probs.astype(np.float64), "observed": targets})
    grouped = images.assign(images=1).groupby(row)
    means = grouped.agg({"predicted": "mean", "observed": "mean", "images": "sum"})
    return means.reset_index(drop=True)
