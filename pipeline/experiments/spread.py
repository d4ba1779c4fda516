"""How a result varies with the seed, beside how it varies with the patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import t

from pipeline.base.members import NOT_MEMBERS, STUDIED
from pipeline.results.localisation.methods import is_control
from pipeline.results.statistics.bootstrap import LEVEL

Metrics = dict[str, Any]


class Measured(NamedTuple):
    """One number of one run, with its interval of the bootstrap over patients if it has one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Spread:
    """The same number over seeds."""

    mean: float
    deviation: float
    """Of the sample, with n - 1 below; NaN of one seed."""
    least: float
    most: float
    low: float
    high: float
    """Interval of the mean over seeds, of Student's t with n - 1 degrees; NaN of one seed."""


def spread(values: Sequence[float]) -> Spread:
    """What one says of one number under several seeds.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no values to summarise")
    n, mean = len(values), float(np.mean(values))
    deviation = float(np.std(values, ddof=1)) if n > 1 else np.nan
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * deviation / n**0.5 if n > 1 else np.nan
    return Spread(mean, deviation, min(values), max(values), mean - half, mean + half)


def averaged(runs: Sequence[Measured]) -> Measured:
    """Value and ends of the interval, each averaged over runs; no interval unless all have one."""
    columns = [[end for end in column if end is not None] for column in zip(*runs, strict=True)]
    means = [float(np.mean(ends)) if len(ends) == len(runs) else None for ends in columns]
    return Measured(float(np.mean(columns[0])), *means[1:])


def aurocs(systems: Metrics) -> dict[str, Measured]:
    """Mean test AUROC of who is trained or votes, the ensemble first; of metrics/systems.json."""
    trained = [
        name
        for name, entry in systems.items()
        if name not in NOT_MEMBERS and isinstance(entry, dict) and "auroc" in entry
    ]
    return {
        name: Measured(
            systems[name]["mean_auroc"],
            systems[name].get("mean_auroc_low"),
            systems[name].get("mean_auroc_high"),
        )
        for name in sorted(trained, key=lambda name: (name != "ensemble", name))
    }


def gains(systems: Metrics) -> dict[str, Measured]:
    """Paired differences of mean test AUROC; of metrics/systems.json."""
    return {
        name: Measured(entry["mean_auroc"], entry.get("low"), entry.get("high"))
        for name, entry in systems["delta"].items()
    }


def ious(methods: Metrics) -> dict[str, Measured]:
    """Mean IoU of the member under study; of metrics/methods.json, and empty without boxes."""
    return {
        f"{STUDIED}.{method}": Measured(
            entry["mean"]["iou"], entry["mean"].get("iou_low"), entry["mean"].get("iou_high")
        )
        for method, entry in methods.get(STUDIED, {}).items()
        if not is_control(method)
    }


def common(runs: Sequence[Mapping[str, Measured]]) -> dict[str, list[Measured]]:
    """By name, of what every run has."""
    return {
        name: [run[name] for run in runs]
        for name in runs[0]
        if all(name in other for other in runs)
    }
