"""How a reader would use the probabilities: calibrated, and called at chosen thresholds."""

from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from pipeline.base.findings import FINDINGS
from pipeline.params.sections import EvaluateParams
from pipeline.results.evaluation.calibration import (
    CALIBRATIONS,
    IDENTITY,
    Calibration,
    calibrate,
)
from pipeline.results.evaluation.calibration_errors import calibration_errors
from pipeline.results.evaluation.files.evaluations import SCHEMAS
from pipeline.results.evaluation.files.systems import Systems
from pipeline.results.evaluation.operating import (
    RULES,
    OperatingPoint,
    choose_threshold,
    operating_points,
)
from pipeline.results.evaluation.scores import LabelledSet

CALLING_RULE = "f1"
"""Of the calls that co-occurrence is counted over: as many as are labelled, about."""

Calls = dict[str, Bool[np.ndarray, " n"]]
"""Whether each test image is called positive, by finding."""


class Reading(NamedTuple):
    """Of all systems; everything is fitted and chosen on validation images."""

    calibrated: Systems
    """None without validation images."""
    calibration: pd.DataFrame
    """Table `calibration`."""
    thresholds: pd.DataFrame
    """Table `thresholds`."""
    calls: dict[str, Calls]
    """By system, at the thresholds of `CALLING_RULE`."""


def read_out(
    systems: Systems,
    val: LabelledSet,
    test: LabelledSet,
    counts: Float[np.ndarray, "patients r"],
    params: EvaluateParams,
) -> Reading:
    """Calibrate each system and choose its thresholds on `val`; say how that does on `test`."""
    lines = {name: _fit(frame, val, params.calibration) for name, frame in systems.items()}
    calibrated = {
        name: _calibrated(frame, lines[name]) for name, frame in systems.items() if val.targets
    }
    rows = [
        (name, finding, *lines[name][finding], *errors)
        for name, frame in systems.items()
        for finding, errors in calibration_errors(
            frame, calibrated.get(name, frame), val, test
        ).items()
    ]
    thresholds, calls = _thresholds(systems, val, test, counts, params.sensitivity)
    table = pd.DataFrame(rows, columns=SCHEMAS["calibration"].names)
    return Reading(calibrated, table, thresholds, calls)


def _fit(frame: pd.DataFrame, val: LabelledSet, method: str) -> dict[str, Calibration]:
    probs = val.probs(frame)
    fit = CALIBRATIONS[method]
    fitted = {name: fit(probs[name], targets) for name, targets in val.targets.items()}
    return {finding: fitted.get(finding, IDENTITY) for finding in FINDINGS}


def _calibrated(frame: pd.DataFrame, lines: dict[str, Calibration]) -> pd.DataFrame:
    columns = {
        finding: calibrate(frame[finding].to_numpy(), line).astype(np.float32)
        for finding, line in lines.items()
        if finding in frame
    }
    return frame.assign(**columns)


def _thresholds(
    systems: Systems,
    val: LabelledSet,
    test: LabelledSet,
    counts: Float[np.ndarray, "patients r"],
    sensitivity: float,
) -> tuple[pd.DataFrame, dict[str, Calls]]:
    """Table `thresholds`, and the calls of `CALLING_RULE`."""
    chosen, called, points_of = [], [], []
    calls: dict[str, Calls] = {name: {} for name in systems}
    for name, frame in systems.items():
        on_val, on_test = val.probs(frame), test.said(frame)
        for finding, rule in product([f for f in FINDINGS if f in on_val and f in on_test], RULES):
            threshold = choose_threshold(
                on_val[finding], val.targets[finding], RULES[rule], sensitivity=sensitivity
            )
            hits = on_test[finding] >= threshold
            chosen.append((name, finding, rule, threshold))
            called.append(hits)
            points_of.append(finding)
            if rule == CALLING_RULE:
                calls[name][finding] = hits
    rows: list[tuple[object, ...]] = []
    if chosen:
        points = operating_points(
            np.stack(called),
            np.stack([test.positive(finding) for finding in points_of]),
            test.patient,
            counts,
            known=np.stack([test.knows(finding) for finding in points_of]),
        )
        rows = [
            (*key, measure, *share)
            for key, point in zip(chosen, points, strict=True)
            for measure, share in zip(OperatingPoint._fields, point, strict=True)
        ]
    table = pd.DataFrame(rows, columns=SCHEMAS["thresholds"].names)
    numbers = ["threshold", "value", "low", "high"]
    return table.astype(dict.fromkeys(numbers, float)), calls
