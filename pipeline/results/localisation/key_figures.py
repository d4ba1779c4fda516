"""The few numbers of localisation that stand for a run."""

from typing import Any

from pipeline.base.members import STUDIED
from pipeline.results.localisation.methods import is_control, is_fitted

Metrics = dict[str, Any]


def over_findings(methods: Metrics) -> Metrics:
    """The means over findings: of metrics/methods.json what a tracker keeps beside the table."""
    return {
        member: {method: findings["mean"] for method, findings in entries.items()}
        for member, entries in methods.items()
    }


def key_figures(methods: Metrics) -> Metrics:
    """The same of localisation: metrics/iou.json; empty without boxes.

    `iou` is the mean over findings of the first class-specific heatmap of the member under study,
    `lead` what it has over the best box that sees no image, `crop_iou` that of its crops.
    """
    studied = methods.get(STUDIED, {})
    names = [name for name in studied if not is_control(name) and not is_fitted(name)]
    specific = [name for name in names if name not in ("crop", "attention")]
    entries: Metrics = {}
    if specific:
        mean = studied[specific[0]]["mean"]
        entries = {name: mean.get(name) for name in ("iou", "iou_low", "iou_high", "lead")}
    if "crop" in studied:
        entries["crop_iou"] = studied["crop"]["mean"]["iou"]
    return {name: value for name, value in entries.items() if value is not None}
