"""What calibration does to errors, and a warning where it makes them worse."""

import logging

import numpy as np
import pandas as pd

from pipeline.results.evaluation.calibration import brier, expected_calibration_error
from pipeline.results.evaluation.scores import LabelledSet

log = logging.getLogger(__name__)

Errors = tuple[float, ...]

MARGIN = 0.005
"""A mean expected calibration error that grows by less is noise: bins of few images."""

_NOT_DEFINED = float("nan")

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
    return {
        finding: (*_of(test, finding, raw, calibrated), *_of(val, finding, raw, calibrated)[:2])
        for finding in test.targets
    }


def _of(
    images: LabelledSet, finding: str, raw: pd.DataFrame, calibrated: pd.DataFrame
) -> tuple[float, float, float, float]:
    if finding not in images.targets:
        return (_NOT_DEFINED,) * 4
    targets = images.targets[finding]
    before, after = (_probs(images, frame, finding) for frame in (raw, calibrated))
    return (
        expected_calibration_error(before, targets),
        expected_calibration_error(after, targets),
        brier(before, targets),
        brier(after, targets),
    )


def _probs(images: LabelledSet, frame: pd.DataFrame, finding: str) -> np.ndarray:
    rows = frame.set_index("image_index").loc[images.image_index]
    return images.of(finding, np.asarray(rows[finding]))


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
