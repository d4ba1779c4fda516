"""What calibration does to errors, and a warning where it makes them worse."""

import logging

import numpy as np
import pandas as pd

from pipeline.results.calibration import brier, expected_calibration_error
from pipeline.results.scores import LabelledSet

log = logging.getLogger(__name__)

Errors = tuple[float, ...]

_NOT_DEFINED = float("nan")


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
    return np.asarray(rows[finding])


def warn_of_worse(calibration: pd.DataFrame) -> None:
    """Name in the log the systems that calibration moves further from the validation labels.

    By the mean expected calibration error over findings, of the very images it was fitted on.

    Args:
        calibration: table `calibration`.
    """
    means = calibration.groupby("system", sort=False)[["val_ece", "val_ece_calibrated"]].mean()
    worse = means[means["val_ece_calibrated"] > means["val_ece"]]
    for row in worse.itertuples():
        log.warning(
            "calibration makes %s worse: on the validation images that it was fitted on, the mean "
            "expected calibration error goes from %.3f to %.3f; evaluate.calibration: platt "
            "corrects level and slope, temperature the slope alone",
            row.Index, row.val_ece, row.val_ece_calibrated,
        )  # fmt: skip
