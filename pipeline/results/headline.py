"""The few numbers that stand for a run."""

from typing import Any

Metrics = dict[str, Any]


def headline(evaluate: Metrics, iou: Metrics) -> dict[str, dict[str, float]]:
    """Mean test AUROC of every system and mean IoU of every method, by name.

    Args:
        evaluate: metrics/evaluate.json.
        iou: metrics/iou.json.
    """
    aurocs = {
        name: entry["mean_auroc"]
        for name, entry in evaluate.items()
        if isinstance(entry, dict) and "auroc" in entry
    }
    ious = {
        f"{member}.{method}": entry["mean"]["iou"]
        for member, methods in iou.items()
        for method, entry in methods.items()
    }
    return {"mean_auroc": aurocs, "mean_iou": ious}
