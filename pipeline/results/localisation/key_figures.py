"""The few numbers of localisation that stand for a run."""

from typing import Any

from pipeline.base.members import STUDIED
from pipeline.results.localisation.methods import is_control, is_fitted

Metrics = dict[str, Any]


IN_TABLES = ("iou", "lead", "crop_iou")
"""So few that `dvc metrics show` and `dvc exp show` have a column for each."""


def in_tables(methods: Metrics) -> Metrics:
    """Of `key_figures` what DVC's tables show: metrics/iou.json."""
    found = key_figures(methods)
    return {name: found[name] for name in IN_TABLES if name in found}


def key_figures(methods: Metrics) -> Metrics:
    """What one looks at first, flat and with short names; empty without boxes.

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
