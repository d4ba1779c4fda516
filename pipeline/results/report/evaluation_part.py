"""The part of the page that tells of the evaluation: what its template shows."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import known, positive
from pipeline.results.evaluation.calibration_errors import what_gets_worse
from pipeline.results.evaluation.cooccurrence import cooccurrence
from pipeline.results.evaluation.operating import RULES
from pipeline.results.evaluation.reading import CALLING_RULE
from pipeline.results.evaluation.scores import LabelledSet, labelled
from pipeline.results.report.evaluation_charts import (
    cooccurrence_chart,
    precision_recall_chart,
    reliability_chart,
    roc_chart,
)
from pipeline.results.report.views.evaluation_view import (
    CalibrationRow,
    FindingRow,
    Pair,
    ThresholdRow,
    calibration_rows,
    finding_rows,
    standing,
    studied_pairs,
    threshold_rows,
)
from pipeline.results.report.views.literature import WORKS, Work, why_not_comparable
from pipeline.results.report.views.subgroup_view import (
    GroupingView,
    Scale,
    grouping_views,
    scale_of,
)

TEMPLATE = "evaluation.html.jinja"

SUBJECT = "ensemble"
"""The system that `stages.evaluate` looks at closely."""

SINGLE = ("gender", "age", "view")
"""Groupings that are shown at once; the others are folded away."""

Metrics = dict[str, Any]


class Literature(NamedTuple):
    """Published works beside this run."""

    why_not: str | None
    """Why the works are not shown."""
    official: list[Work | None]
    """None is this run's place."""
    random: list[Work]


class EvaluationPart(NamedTuple):
    """What `TEMPLATE` shows beside metrics/systems.json."""

    template: str
    subject: str
    findings: list[FindingRow]
    pairs: list[Pair]
    calibration: list[CalibrationRow]
    worse: str | None
    """What calibration makes worse, where it does."""
    thresholds: dict[str, list[ThresholdRow]]
    """By rule, that of the calls first; without validation images no rule has rows."""
    groupings: list[GroupingView]
    combined: list[GroupingView]
    scale: Scale | None
    """Of the means in `groupings`."""
    no_finding: dict[str, float]
    """Share of the images labelled with none of the findings, by split, where that is known."""
    literature: Literature
    charts: dict[str, str]
    """SVG by name."""


def evaluation_part(
    tables: Mapping[str, pd.DataFrame],
    systems: Metrics,
    *,
    predictions: pd.DataFrame,
    index: pd.DataFrame,
    member: str,
    best: str,
) -> EvaluationPart:
    """Rows and charts of the tables of `pipeline.results.evaluation.files.evaluations`.

    Args:
        tables: by their names.
        systems: metrics/systems.json.
        predictions: of `SUBJECT` on the held-out images.
        index: labels and patients (schema INDEX).
        member: the one under study.
        best: the system that stands beside published ones.
    """
    test = labelled(predictions, index, split="test")
    rules = sorted(RULES, key=lambda rule: rule != CALLING_RULE)
    thresholds = {rule: threshold_rows(tables["thresholds"], SUBJECT, rule) for rule in rules}
    calibration = calibration_rows(tables["calibration"], SUBJECT)
    groupings = grouping_views(tables["subgroups"], tables["gaps"])
    single = [one for one in groupings if one.name in SINGLE]
    return EvaluationPart(
        template=TEMPLATE,
        subject=SUBJECT,
        findings=finding_rows(tables["scores"], SUBJECT),
        pairs=studied_pairs(tables["comparisons"], subject=SUBJECT, member=member),
        calibration=calibration,
        worse=what_gets_worse(tables["calibration"]).get(SUBJECT),
        thresholds=thresholds,
        groupings=single,
        combined=[one for one in groupings if one.name not in SINGLE],
        scale=scale_of(group.mean.auroc for one in single for group in one.groups),
        no_finding=_no_finding(predictions, index),
        literature=_literature(test, systems[best]["mean_auroc"]),
        charts=_charts(systems[SUBJECT], test, predictions, calibration, thresholds),
    )


def _charts(
    entry: Metrics,
    test: LabelledSet,
    predictions: pd.DataFrame,
    calibration: list[CalibrationRow],
    thresholds: dict[str, list[ThresholdRow]],
) -> dict[str, str]:
    probs = test.probs(predictions)
    charts = {
        "roc": roc_chart(test.targets, probs, entry["auroc"]),
        "pr": precision_recall_chart(test.targets, probs, entry["auprc"]),
        "reliability": reliability_chart(test.targets, probs, calibration),
    }
    said = test.said(predictions)
    calls = {row.finding: said[row.finding] >= row.threshold for row in thresholds[CALLING_RULE]}
    if calls:
        charts["cooccurrence"] = cooccurrence_chart(cooccurrence(calls, test))
    return charts


def _no_finding(predictions: pd.DataFrame, index: pd.DataFrame) -> dict[str, float]:
    rows = index.set_index("image_index").loc[predictions["image_index"]]
    there = [finding for finding in FINDINGS if known(rows, finding).any()]
    some, whole = np.zeros(len(rows), bool), np.ones(len(rows), bool)
    for finding in there:
        some |= positive(rows, finding)
        whole &= known(rows, finding)
    healthy, split = pd.Series(~some), predictions["split"].reset_index(drop=True)
    shares = healthy[some | whole].groupby(split[some | whole]).mean()
    return {str(name): float(share) for name, share in shares.items()}


def _literature(test: LabelledSet, mean_auroc: float) -> Literature:
    why_not = why_not_comparable(test.image_index, test.targets)
    random = [work for work in WORKS if work.split == "random"]
    return Literature(why_not, standing(mean_auroc), random)
