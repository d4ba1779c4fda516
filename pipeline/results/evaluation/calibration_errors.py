"""What calibration does to errors, and a warning where it makes them worse."""

import logging

import pandas as pd

from pipeline.results.evaluation.calibration import brier, expected_calibration_error
from pipeline.results.evaluation.scores import LabelledSet

log = logging.getLogger(__name__)

Errors = tuple[float, ...]

MARGIN = 0.005
"""A mean expected calibration error that grows by less is noise: bins of few images."""

_NOT_DEFINED = (float("nan"),) * 4

_SLOPE_ALONE = (
    "a temperature corrects the slope alone and cannot move the level, which a loss that weighs "
    "positives raises; evaluate.calibration: platt corrects both"
)

_LINE = "the validation images may hold too few positives for its two numbers"


def calibration_errors(
    raw: pd.DataFrame, calibrated: pd.DataFrame, val: LabelledSet, test: LabelledSet
) -> dict[str, Errors]:
    """By finding of `test`, the columns of table `calibration` from `ece` on.

    Errors of validation images are NaN for a finding that has no calibration.
    """
    on_test, on_val = (_errors(images, raw, calibrated) for images in (test, val))
    return {
        finding: (*own, *on_val.get(finding, _NOT_DEFINED)[:2]) for finding, own in on_test.items()
    }


def _errors(images: LabelledSet, raw: pd.DataFrame, calibrated: pd.DataFrame) -> dict[str, Errors]:
    """By finding: expected calibration error before and after, Brier score before and after."""
    before, after = images.probs(raw), images.probs(calibrated)
    return {
        finding: (
            expected_calibration_error(before[finding], targets),
            expected_calibration_error(after[finding], targets),
            brier(before[finding], targets),
            brier(after[finding], targets),
        )
        for finding, targets in images.targets.items()
    }


def what_gets_worse(calibration: pd.DataFrame) -> dict[str, str]:
    """By system that calibration moves further from the validation labels, a sentence of it.

    By the mean expected calibration error over findings, of the very images it was fitted on.

    Args:
        calibration: table `calibration`.
    """
    found = {}
    for system, rows in calibration.groupby("system", sort=False):
        before, after = rows["val_ece"].mean(), rows["val_ece_calibrated"].mean()
        if after > before + MARGIN:
            is_temperature = (rows["intercept"] == 0).all()
            found[str(system)] = (
                "on the validation images that it was fitted on, the mean expected calibration "
                f"error goes from {before:.3f} to {after:.3f}; "
                f"{_SLOPE_ALONE if is_temperature else _LINE}"
            )
    return found


def warn_of_worse(calibration: pd.DataFrame) -> None:
    """Say `what_gets_worse` in the log."""
    for system, said in what_gets_worse(calibration).items():
        log.warning("calibration makes %s worse: %s", system, said)
