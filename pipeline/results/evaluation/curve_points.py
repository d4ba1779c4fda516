"""The points of plots, few enough for git to show how they change."""

from collections.abc import Sequence

import pandas as pd

from pipeline.base.findings import FINDINGS
from pipeline.results.evaluation.calibration import reliability
from pipeline.results.evaluation.scores import MEAN, LabelledSet
from pipeline.results.statistics.metrics import precision_recall_curve, roc_curve

_DIGITS = 4


def curve_points(frame: pd.DataFrame, test: LabelledSet) -> dict[str, pd.DataFrame]:
    """`roc` (finding, fpr, tpr) and `pr` (finding, recall, precision, prevalence) of a system."""
    roc, pr = [], []
    for finding, probs in test.probs(frame).items():
        targets = test.targets[finding]
        fpr, tpr = roc_curve(targets, probs)
        roc.append(pd.DataFrame({"finding": finding, "fpr": fpr, "tpr": tpr}))
        recall, precision = precision_recall_curve(targets, probs)
        curve = {"finding": finding, "recall": recall, "precision": precision}
        pr.append(pd.DataFrame(curve).assign(prevalence=targets.mean()))
    points = {"roc": roc, "pr": pr}
    return {
        name: pd.concat(curves, ignore_index=True).round(_DIGITS)
        for name, curves in points.items()
    }


def auroc_points(scores: pd.DataFrame, systems: Sequence[str]) -> pd.DataFrame:
    """Columns finding, system, auroc, low, high: of test images, from the table `scores`."""
    of_test = scores[scores["split"].eq("test") & scores["measure"].eq("auroc")]
    chosen = of_test[of_test["system"].isin(systems)]
    order = {name: at for at, name in enumerate((*FINDINGS, MEAN))}
    place = {name: at for at, name in enumerate(systems)}
    chosen = chosen.assign(at=chosen["finding"].map(order), by=chosen["system"].map(place))
    chosen = chosen.sort_values(["at", "by"], kind="stable").rename(columns={"value": "auroc"})
    points = chosen[["finding", "system", "auroc", "low", "high"]].reset_index(drop=True)
    return points.round(_DIGITS)


def reliability_points(
    raw: pd.DataFrame, calibrated: pd.DataFrame | None, test: LabelledSet
) -> pd.DataFrame:
    """Columns finding, stage ("raw" or "calibrated"), predicted, observed, images."""
    stages = {"raw": raw, "calibrated": calibrated}
    probs = {stage: test.probs(frame) for stage, frame in stages.items() if frame is not None}
    curves = [
        reliability(said[finding], targets).assign(finding=finding, stage=stage)
        for finding, targets in test.targets.items()
        for stage, said in probs.items()
    ]
    points = pd.concat(curves, ignore_index=True)
    return points[["finding", "stage", "predicted", "observed", "images"]].round(_DIGITS)
