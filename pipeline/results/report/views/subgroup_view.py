"""Subgroups as the page shows them: a row for each group, a mark on one scale, and the gaps."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from pipeline.results.evaluation.scores import MEAN
from pipeline.results.report.views.box_table import Estimate
from pipeline.results.report.views.evaluation_view import estimate_in

_STEPS = (0.02, 0.05, 0.1, 0.2)
_MOST_TICKS = 6


class Cell(NamedTuple):
    """A finding in a group, or the mean: a value, or the reason why there is none."""

    auroc: Estimate
    reason: str | None


class GroupRow(NamedTuple):
    """One group."""

    name: str
    images: int
    patients: int
    mean: Cell
    is_open: bool
    """It shows some findings."""
    findings: dict[str, Cell]


class Gap(NamedTuple):
    """How far apart the mean AUROCs of two groups are."""

    group: str | None
    other: str | None
    chosen: bool
    """As the best and the worst one."""
    gap: Estimate
    reason: str | None


class GroupingView(NamedTuple):
    """One way to divide the images."""

    name: str
    averaged: list[str]
    """The findings in the means: those shown in all open groups."""
    groups: list[GroupRow]
    gap: Gap


class Scale(NamedTuple):
    """Where values are drawn."""

    low: float
    high: float
    ticks: list[float]

    def place(self, value: float) -> float:
        """In percent of the way from `low` to `high`."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)


def grouping_views(cells: pd.DataFrame, gaps: pd.DataFrame) -> list[GroupingView]:
    """Of the tables `subgroups` and `gaps`, in their order."""
    means = {row["grouping"]: row for row in gaps.to_dict("records") if row["finding"] == MEAN}
    views = []
    for name, part in cells.groupby("grouping", sort=False):
        groups = [_group(str(group), rows) for group, rows in part.groupby("group", sort=False)]
        row = means[name]
        gap = Gap(
            _text(row["group"]), _text(row["other"]), bool(row["chosen"]),
            estimate_in(row, "gap"), _text(row["reason"]),
        )  # fmt: skip
        views.append(GroupingView(str(name), _averaged(groups), groups, gap))
    return views


def scale_of(estimates: Iterable[Estimate]) -> Scale | None:
    """The narrowest scale with round ends that holds all of them; None without any."""
    values = [value for estimate in estimates for value in estimate if value is not None]
    if not values:
        return None
    for step in _STEPS:
        first, last = math.floor(min(values) / step), math.ceil(max(values) / step)
        if last - first < _MOST_TICKS:
            break
    last = max(last, first + 1)
    ticks = [round(step * at, 2) for at in range(first, last + 1)]
    return Scale(ticks[0], ticks[-1], ticks)


def _group(name: str, rows: pd.DataFrame) -> GroupRow:
    cells = {
        row["finding"]: Cell(estimate_in(row, "auroc"), _text(row["reason"]))
        for row in rows.to_dict("records")
    }
    mean = cells.pop(MEAN)
    return GroupRow(
        name,
        int(rows["images"].iloc[0]),
        int(rows["patients"].iloc[0]),
        mean,
        any(cell.auroc.value is not None for cell in cells.values()),
        cells,
    )


def _averaged(groups: list[GroupRow]) -> list[str]:
    open_groups = [group for group in groups if group.is_open]
    return [
        finding
        for finding in (open_groups[0].findings if open_groups else ())
        if all(group.findings[finding].auroc.value is not None for group in open_groups)
    ]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
