"""Whose heatmaps a page shows, and which of them."""

from collections.abc import Collection, Mapping
from typing import Any, get_args

from pipeline.base.members import STUDIED
from pipeline.params.names import HeatmapMethod

Metrics = Mapping[str, Any]


def shown_member(systems: Metrics) -> str:
    """The member whose fusion validation prefers; the one under study without validation images.

    Args:
        systems: metrics/systems.json.
    """
    means = fusions_on_validation(systems)
    return max(means, key=means.__getitem__) if means else STUDIED


def fusions_on_validation(systems: Metrics) -> dict[str, float]:
    """Mean AUROC of each member's fusion on validation images: test chooses nothing."""
    return {
        name.removesuffix(".fusion"): entry["val_mean_auroc"]
        for name, entry in systems.items()
        if name.endswith(".fusion") and "val_mean_auroc" in entry
    }


def shown_method(methods: Metrics, stored: Collection[str]) -> str:
    """Of the stored heatmaps the one of greatest mean IoU; without boxes a finding's own.

    Args:
        methods: of one member in metrics/methods.json; empty without boxes.
        stored: the methods whose maps every image has.
    """
    judged = [name for name in stored if name in methods]
    if not judged:
        return of_findings(stored)
    return max(judged, key=lambda name: float(methods[name]["mean"]["iou"]))


def of_findings(stored: Collection[str]) -> str:
    """A method with a map of each finding where there is any, else the attention map."""
    known = [name for name in get_args(HeatmapMethod) if name in stored]
    return str(max(known, key=lambda name: name != "attention"))
