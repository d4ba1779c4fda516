"""Metrics (JSON, rounded) and plots (CSV): small, so that git and DVC show their differences."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.base.files import read_json, replacing, write_json
from pipeline.errors import ArtifactError

DIGITS = 6
"""Decimals kept: far below any interval's width, so that a diff shows changes and not noise."""


def write_metrics(metrics: dict[str, Any], path: Path) -> None:
    """Write nested metrics as JSON, floats rounded to `DIGITS` decimals; NaN is refused."""
    write_json(_rounded(metrics), path)


def read_metrics(path: Path) -> dict[str, Any]:
    """What `write_metrics` wrote.

    Raises:
        ArtifactError: the file is missing, not JSON, or holds no object.
    """
    metrics = read_json(path)
    if not isinstance(metrics, dict):
        raise ArtifactError(f"{path}: holds a {type(metrics).__name__}, expected a JSON object")
    return metrics


def write_plot(frame: pd.DataFrame, path: Path) -> None:
    """Write the points of a plot as CSV, one row each."""
    with replacing(path) as fresh:
        frame.to_csv(fresh, index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")


def write_all(
    metrics: dict[str, Any], frames: Mapping[str, pd.DataFrame], folder: Path | None
) -> None:
    """Write metrics.json and a csv file for each frame; nothing without a folder."""
    if folder is None:
        return
    write_metrics(metrics, folder / "metrics.json")
    for name, frame in frames.items():
        write_plot(frame, folder / f"{name}.csv")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return round(float(value), DIGITS) if isinstance(value, float) else value
