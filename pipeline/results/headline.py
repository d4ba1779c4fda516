"""The few numbers that stand for a run."""

from typing import Any

Metrics = dict[str, Any]


def mean_aurocs(evaluate: Metrics) -> dict[str, float]:
    """Mean test AUROC by system, from metrics/evaluate.json."""
    return {
        name: entry["mean_auroc"]
        for name, entry in evaluate.items()
        if isinstance(entry, dict) and "auroc" in entry
    }


def mean_ious(iou: Metrics) -> dict[str, float]:
    """Mean IoU by member and method, from metrics/iou.json."""
    return {
        f"{member}.{method}": entry["mean"]["iou"]
        for member, methods in iou.items()
        for method, entry in methods.items()
    }


def headline(evaluate: Metrics, iou: Metrics) -> dict[str, dict[str, float]]:
    """Both, as a stage logs them."""
    return {"mean_auroc": mean_aurocs(evaluate), "mean_iou": mean_ious(iou)}
