"""Localisation as the page shows it: a row for each system, an estimate in each cell."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from pipeline.base.findings import FINDINGS
from pipeline.results.localisation.box_measures import MEAN
from pipeline.results.localisation.methods import (
    BASELINE,
    RANDOMISED,
    is_control,
    is_fitted,
    spoken,
)

SHOWN = {
    "iou": "mean IoU",
    "lead": "lead over the best without an image",
    "t_iou.0.1": "T(IoU > 0.1)",
    "t_iou.0.3": "T(IoU > 0.3)",
    "t_iou.0.5": "T(IoU > 0.5)",
    "iobb": "IoBB",
    "pointing": "pointing",
    "energy": "energy",
    "empty_rate": "empty",
}
"""Measures with a column, and its heading."""

MOST_SHORT = 5
"""Rows that stand for all others."""


class Estimate(NamedTuple):
    """A value, and its 95 % interval where there is one."""

    value: float | None
    low: float | None
    high: float | None


def estimate_of(entry: Mapping[str, Any], name: str) -> Estimate:
    """`name`, `<name>_low` and `<name>_high` of an entry of metrics/*.json."""
    return Estimate(entry[name], entry.get(f"{name}_low"), entry.get(f"{name}_high"))


class BoxRow(NamedTuple):
    """One system."""

    member: str
    method: str
    name: str
    is_baseline: bool
    is_control: bool
    """It is no way to localise: a network of random weights, or what the grid allows."""
    is_fitted: bool
    """Its threshold is fitted on the other half of the patients."""
    n: int
    measures: dict[str, Estimate]
    """Means over findings, by measure."""
    iou: dict[str, Estimate]
    """By finding."""


class BoxTable(NamedTuple):
    """What the page says of localisation."""

    rows: list[BoxRow]
    """Of the member under study and of the baselines without an image."""
    others: list[BoxRow]
    """Of the other members."""
    columns: dict[str, str]
    cases: dict[str, int]
    """By finding."""
    bar: float
    """Mean IoU that a method must exceed to have localised anything."""
    short: list[tuple[BoxRow, str]]
    """At most five rows that stand for all, and what each is."""


def box_table(table: pd.DataFrame, member: str, method: str) -> BoxTable | None:
    """Rows in reading order: `member`, then the baselines; other members apart.

    Args:
        table: schema LOCALISATION.
        member: whose heatmaps are shown.
        method: the one of them that is.
    """
    if table.empty:
        return None
    systems = table.groupby(["member", "method"], sort=False)
    rows = [_row(str(owner), str(method), part) for (owner, method), part in systems]
    shown = [row for row in rows if row.member == member] + [r for r in rows if r.is_baseline]
    cases = table[table["finding"] != MEAN].drop_duplicates("finding")
    return BoxTable(
        shown,
        [row for row in rows if row not in shown],
        SHOWN,
        {name: int(n) for name, n in zip(cases["finding"], cases["n"], strict=True)},
        max(row.measures["iou"].value or 0.0 for row in rows if row.is_baseline),
        _short(rows, member, method),
    )


def _short(rows: list[BoxRow], member: str, method: str) -> list[tuple[BoxRow, str]]:
    own = {row.method: row for row in rows if row.member == member}
    maps = [r for r in rows if not (r.is_baseline or r.is_control or r.method == "crop")]
    found = [
        (max(maps, key=_iou, default=None), "the best of all heatmaps"),
        (own.get(method), "shown above"),
        (own.get("attention"), "knows no finding; AG-CNN draws crops by it"),
        (own.get("crop"), "what the local branch sees"),
        (max((r for r in rows if r.is_baseline), key=_iou, default=None), "sees no image"),
        (own.get(f"{method}{RANDOMISED}"), "explains nothing"),
    ]
    shown: dict[str, tuple[BoxRow, str]] = {}
    for row, why in found:
        if row is not None:
            shown.setdefault(row.name, (row, why))
    return list(shown.values())[:MOST_SHORT]


def _iou(row: BoxRow) -> float:
    return row.measures["iou"].value or 0.0


def _row(member: str, method: str, part: pd.DataFrame) -> BoxRow:
    found = {
        (str(finding), str(measure)): Estimate(_known(value), _known(low), _known(high))
        for finding, measure, value, low, high in zip(
            part["finding"], part["measure"], part["value"], part["low"], part["high"], strict=True
        )
    }
    return BoxRow(
        member,
        method,
        f"{member} {spoken(method)}",
        member == BASELINE,
        is_control(method),
        is_fitted(method),
        int(part.loc[part["finding"] == MEAN, "n"].iloc[0]),
        {measure: found[MEAN, measure] for measure in SHOWN},
        {finding: found[finding, "iou"] for finding in FINDINGS if (finding, "iou") in found},
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
