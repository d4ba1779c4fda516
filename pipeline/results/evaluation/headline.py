"""The few numbers that stand for a run."""

from typing import Any

from pipeline.base.members import STUDIED

Metrics = dict[str, Any]


def mean_aurocs(systems: Metrics) -> dict[str, float]:
    """Mean test AUROC by system, from metrics/systems.json."""
    return {
        name: entry["mean_auroc"]
        for name, entry in systems.items()
        if isinstance(entry, dict) and "auroc" in entry
    }


HEADLINE = ("auroc", "global", "fusion", "gain")
"""So few that `dvc metrics show` and `dvc exp show` have a column for each."""


def headline(systems: Metrics) -> Metrics:
    """Of `diagnosis` what DVC's tables show: metrics/evaluate.json."""
    found = diagnosis(systems)
    return {name: found[name] for name in HEADLINE if name in found}


def diagnosis(systems: Metrics) -> Metrics:
    """What one looks at first, flat and with short names.

    `auroc`, `auprc` and, after calibration, `ece` are the ensemble's means over findings on test;
    `global`, `local` and `fusion` the mean AUROCs of the member under study; `gain` is its fusion
    less its global branch, paired; `metadata` the floor.
    """
    whole, gain = systems["ensemble"], _named(systems["delta"], "fusion", "global")
    entries: Metrics = {
        "auroc": whole["mean_auroc"],
        "auroc_low": whole.get("mean_auroc_low"),
        "auroc_high": whole.get("mean_auroc_high"),
        "auprc": whole["mean_auprc"],
        "ece": whole.get("ece_calibrated"),
        **{
            branch: systems[f"{STUDIED}.{branch}"]["mean_auroc"]
            for branch in ("global", "local", "fusion")
        },
        "gain": gain.get("mean_auroc"),
        "gain_low": gain.get("low"),
        "gain_high": gain.get("high"),
        "metadata": systems["metadata_only"]["mean_auroc"],
    }
    return {name: value for name, value in entries.items() if value is not None}


def _named(delta: Metrics, one: str, other: str) -> Metrics:
    entry: Metrics = delta.get(f"{STUDIED}.{one} - {STUDIED}.{other}", {})
    return entry
