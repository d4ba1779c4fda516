"""The evaluation as the page shows it: rows with an estimate in each cell."""

import math
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from pipeline.results.evaluation.calibration import Calibration
from pipeline.results.evaluation.scores import MEAN
from pipeline.results.report.views.box_table import Estimate
from pipeline.results.report.views.literature import WORKS, Work

Row = Mapping[Hashable, Any]


class FindingRow(NamedTuple):
    """One system on one finding, with every interval that there is."""

    finding: str
    positives: int
    prevalence: float
    auroc: Estimate
    bca: Estimate
    delong: Estimate
    """Takes images for independent."""
    auprc: Estimate


class Difference(NamedTuple):
    """Of two systems' AUROCs, paired."""

    estimate: Estimate
    p: float | None
    is_clear: bool
    """The interval keeps clear of nought."""


class Pair(NamedTuple):
    """Two systems compared by finding."""

    system: str
    against: str
    differences: dict[str, Difference]
    """By finding; the mean comes last."""


class CalibrationRow(NamedTuple):
    """One finding's line on the logit scale, and what it did to the errors on test."""

    finding: str
    line: Calibration
    ece: float
    ece_calibrated: float
    brier: float
    brier_calibrated: float


class ThresholdRow(NamedTuple):
    """One finding at the threshold of one rule."""

    finding: str
    threshold: float
    measures: dict[str, Estimate]
    """By name, as in `pipeline.results.evaluation.operating.OperatingPoint`."""


def finding_rows(scores: pd.DataFrame, system: str) -> list[FindingRow]:
    """Test images of `system`, from the table `scores`."""
    of_test = scores[scores["split"].eq("test") & scores["system"].eq(system)]
    found = {(row["finding"], row["measure"]): row for row in of_test.to_dict("records")}
    return [
        FindingRow(
            finding, int(row["positives"]), row["positives"] / row["images"], estimate_in(row),
            estimate_in(row, ends="bca_"), estimate_in(row, ends="delong_"),
            estimate_in(found[finding, "auprc"]),
        )
        for (finding, measure), row in found.items()
        if measure == "auroc" and finding != MEAN
    ]  # fmt: skip


def studied_pairs(comparisons: pd.DataFrame, *, subject: str, member: str) -> list[Pair]:
    """By AUROC: `subject` less what it is compared with, and the member's fusion less global."""
    aurocs = comparisons[comparisons["measure"].eq("auroc")]
    pairs = aurocs.groupby(["system", "against"], sort=False)
    wanted = (f"{member}.fusion", f"{member}.global")
    found = [
        Pair(
            str(system),
            str(against),
            {row["finding"]: _difference(row) for row in part.to_dict("records")},
        )
        for (system, against), part in pairs
        if system == subject or (system, against) == wanted
    ]
    return sorted(found, key=lambda pair: pair.system != subject)


def _difference(row: Row) -> Difference:
    one = estimate_in(row)
    is_clear = one.low is not None and one.high is not None and (one.low > 0 or one.high < 0)
    return Difference(one, known(row["p"]), is_clear)


def calibration_rows(calibration: pd.DataFrame, system: str) -> list[CalibrationRow]:
    """Of `system`, from the table `calibration`."""
    rows = calibration[calibration["system"].eq(system)].to_dict("records")
    errors = ("ece", "ece_calibrated", "brier", "brier_calibrated")
    return [
        CalibrationRow(
            row["finding"],
            Calibration(float(row["slope"]), float(row["intercept"]), bool(row["fitted"])),
            *(row[name] for name in errors),
        )
        for row in rows
    ]


def threshold_rows(thresholds: pd.DataFrame, system: str, rule: str) -> list[ThresholdRow]:
    """Of `system` and `rule`, from the table `thresholds`."""
    chosen = thresholds[thresholds["system"].eq(system) & thresholds["rule"].eq(rule)]
    return [
        ThresholdRow(
            str(finding),
            float(part["threshold"].iloc[0]),
            {row["measure"]: estimate_in(row) for row in part.to_dict("records")},
        )
        for finding, part in chosen.groupby("finding", sort=False)
    ]


def standing(mean_auroc: float) -> list[Work | None]:
    """Published works on the official test list, best first; None where `mean_auroc` stands."""
    official = [work for work in WORKS if work.split == "official"]
    works = sorted(official, key=lambda work: work.mean_auroc, reverse=True)
    better = [work for work in works if work.mean_auroc > mean_auroc]
    return [*better, None, *works[len(better) :]]


def estimate_in(row: Row, value: str = "value", *, ends: str = "") -> Estimate:
    """`value`, `<ends>low` and `<ends>high` of a table's row."""
    return Estimate(known(row[value]), known(row[f"{ends}low"]), known(row[f"{ends}high"]))


def known(value: float | None) -> float | None:
    """None for what a table holds as null."""
    return None if value is None or math.isnan(value) else float(value)
