"""How a model does on a cohort that it has nothing of, beside its own test images."""

from collections.abc import Mapping, Sequence
from math import hypot
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.base.tables import SPLITS, known
from pipeline.external.external_predictions import Said
from pipeline.params.sections import EvaluateParams
from pipeline.predict.about.description import Call, Description, Score
from pipeline.predict.model import RULE
from pipeline.results.evaluation.calibration import brier, expected_calibration_error
from pipeline.results.evaluation.evaluation import Evaluation, evaluate
from pipeline.results.evaluation.operating import OperatingPoint, operating_points
from pipeline.results.evaluation.scores import MEAN, LabelledSet, labelled
from pipeline.results.statistics.bootstrap import patient_counts

SUBJECT = "model"
"""The name of the system that is judged."""

SHARES = OperatingPoint._fields

COLUMNS = (
    "finding", "images", "positives", "auroc", "low", "high",
    "own_auroc", "own_low", "own_high", "drop", "drop_low", "drop_high",
    "threshold", *(f"{share}{end}" for share in SHARES for end in ("", "_low", "_high")),
    "predicted", "observed", "ece", "brier",
)  # fmt: skip
"""A row for each finding that is judged, and one for their mean. `own_` is of the model's own
test images, `drop` that less `auroc`; the threshold is the one that the model has, chosen on its
validation images, of the probability before calibration; `predicted` is the mean calibrated
probability, `observed` the share of positives. Intervals are of 95 %, null where there is none."""


class Transfer(NamedTuple):
    """All that was found."""

    table: pd.DataFrame
    """Columns COLUMNS."""
    evaluation: Evaluation
    """Of the system SUBJECT, all images as test images."""
    not_judged: dict[str, str]
    """By finding, why."""


def judge_transfer(
    about: Description, index: pd.DataFrame, said: Said, params: EvaluateParams, *, seed: int
) -> Transfer:
    """Judge a model on another cohort.

    A finding is judged if the model has a threshold of it, and the cohort known labels of both
    classes. The thresholds and the calibration are the model's own: nothing is fitted here.

    Args:
        about: the model.
        index: labels of a cohort (schema INDEX).
        said: of the cohort's images.
        params: replicates, and fewest patients for an interval.
        seed: of the bootstrap.

    Raises:
        CohortError: no finding can be judged.
    """
    called = [name for name, call in about.calls.items() if RULE in call.thresholds]
    raw = said.raw[["image_index", "split", *called]]
    splits = index[["image_index"]].assign(split="test")[SPLITS.names]
    evaluation = evaluate({SUBJECT: raw}, index, splits, {}, params, subject=SUBJECT, seed=seed)
    images = labelled(raw, index, split="test")
    counts = patient_counts(images.patients, replicates=params.bootstrap, seed=seed)
    judged = list(images.targets)
    scores = _scores(evaluation)
    rows = [
        _standing(scores[finding], about.scores.get(finding))
        | _reading(finding, about.calls[finding], images, said, point)
        for finding, point in zip(judged, _points(about, images, raw, counts), strict=True)
    ]
    mean = _standing(scores[MEAN], _own_mean(about, judged))
    return Transfer(
        pd.DataFrame([*rows, mean | _means(rows)], columns=list(COLUMNS)),
        evaluation,
        _not_judged(about, index, judged),
    )


def _scores(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    rows = evaluation.tables["scores"].query("split == 'test' and measure == 'auroc'")
    of_subject = rows[rows["system"] == SUBJECT]
    return {str(row["finding"]): dict(row) for _, row in of_subject.iterrows()}


def _standing(here: Mapping[str, Any], own: Score | None) -> dict[str, Any]:
    """A finding's AUROC here, the model's own, and the drop."""
    found = {
        "finding": here["finding"],
        "images": here["images"],
        "positives": here["positives"],
        "auroc": here["value"],
        "low": here["low"],
        "high": here["high"],
    }
    if own is None:
        return found
    drop = difference((own.auroc, own.low, own.high), (here["value"], here["low"], here["high"]))
    names = ("own_auroc", "own_low", "own_high", "drop", "drop_low", "drop_high")
    return found | dict(zip(names, (own.auroc, own.low, own.high, *drop), strict=True))


Interval = tuple[float, float | None, float | None]


def difference(one: Interval, other: Interval) -> Interval:
    """One value less another of other patients, with its interval from both of theirs.

    The method of variance estimates recovery (Zou and Donner, Statistics in Medicine 2008,
    Eq. 7), which needs no replicates of either and keeps the intervals' skewness.
    """
    (a, a_low, a_high), (b, b_low, b_high) = one, other
    ends = (a_low, a_high, b_low, b_high)
    if any(end is None or pd.isna(end) for end in ends):
        return a - b, None, None
    low = a - b - hypot(a - a_low, b_high - b)  # type: ignore[operator]
    return a - b, low, a - b + hypot(a_high - a, b - b_low)  # type: ignore[operator]


def _own_mean(about: Description, judged: Sequence[str]) -> Score | None:
    """The model's own mean over the findings that are judged here.

    Its interval, where these are not all of the model's, is the mean of the findings' ends: as
    wide as if all of them erred together, so that it is never too narrow.
    """
    if about.mean is not None and set(judged) == set(about.scores):
        return about.mean
    own = [about.scores[finding] for finding in judged if finding in about.scores]
    if len(own) < len(judged):
        return None
    ends = [(one.low, one.high) for one in own if one.low is not None and one.high is not None]
    low, high = np.mean(ends, axis=0) if len(ends) == len(own) else (None, None)
    return Score(
        auroc=float(np.mean([one.auroc for one in own])), low=low, high=high, positives=None
    )


def _points(
    about: Description, images: LabelledSet, raw: pd.DataFrame, counts: np.ndarray
) -> list[OperatingPoint]:
    said = images.said(raw)
    calls = [said[name] >= np.float32(about.calls[name].thresholds[RULE]) for name in said]
    return operating_points(
        np.stack(calls),
        np.stack([images.positive(name) for name in said]),
        images.patient,
        counts,
        known=np.stack([images.knows(name) for name in said]),
    )


def _reading(
    finding: str, call: Call, images: LabelledSet, said: Said, point: OperatingPoint
) -> dict[str, Any]:
    """How a finding's calls and probabilities hold."""
    probs = images.of(finding, said.calibrated[finding].to_numpy())
    targets = images.targets[finding]
    shares = {
        f"{name}{end}": value
        for name, share in zip(SHARES, point, strict=True)
        for end, value in zip(("", "_low", "_high"), share, strict=True)
    }
    return {
        "threshold": call.thresholds[RULE],
        **shares,
        "predicted": float(probs.mean()),
        "observed": float(targets.mean()),
        "ece": expected_calibration_error(probs, targets),
        "brier": brier(probs, targets),
    }


_AVERAGED = ("sensitivity", "specificity", "predicted", "observed", "ece", "brier")


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in _AVERAGED}


def _not_judged(about: Description, index: pd.DataFrame, judged: Sequence[str]) -> dict[str, str]:
    return {
        finding: "the cohort's tables do not say"
        if not known(index, finding).any()
        else "the model has no threshold of it"
        if RULE not in call.thresholds
        else "all known labels are of one class"
        for finding, call in about.calls.items()
        if finding not in judged
    }
