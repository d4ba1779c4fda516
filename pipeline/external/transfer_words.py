"""What external validation found, in sentences that say no more than its intervals do."""

from typing import Any

import pandas as pd

from pipeline.external.transfer import Transfer
from pipeline.results.evaluation.scores import MEAN
from pipeline.results.report.numerals import number, percent, signed

_FALSE_ALARMS = 3
"""How often the expected share of unlike images is noise; above it the cohort looks different."""


def transfer_verdict(transfer: Transfer, *, unlike: float, expected: float) -> list[str]:
    """What became of the model's AUROC, where most was lost, and how alike the images are.

    Args:
        transfer: what was found.
        unlike: share of the images beyond the model's limit of familiarity.
        expected: the same of validation images.
    """
    is_mean = transfer.table["finding"] == MEAN
    mean = transfer.table[is_mean].iloc[0]
    findings = transfer.table[~is_mean]
    return [_reached(mean, len(findings)), *_lost_most(findings), _alike(unlike, expected)]


def _reached(mean: pd.Series, findings: int) -> str:
    here = f"{number(mean['auroc'])}{_within(mean, 'low', 'high')}"
    of = f"over {findings} findings" if findings > 1 else "of the one finding that is judged"
    if pd.isna(mean["drop"]):
        return f"Mean AUROC {of}: {here}. The model's own is not known."
    own = f"{number(mean['own_auroc'])}{_within(mean, 'own_low', 'own_high')}"
    return f"Mean AUROC {of}: {here}; on the model's own test images {own}. {_dropped(mean)}"


def _dropped(row: pd.Series) -> str:
    size = f"{number(abs(row['drop']))}{_within(row, 'drop_low', 'drop_high')}"
    if pd.isna(row["drop_low"]):
        return f"The difference, own less here, is {signed(row['drop'])}."
    if row["drop_low"] > 0:
        return f"It drops by {size}."
    if row["drop_high"] < 0:
        risen = f"{number(-row['drop_high'])} to {number(-row['drop_low'])}"
        return f"It is higher here, by {number(abs(row['drop']))} ({risen})."
    return f"No drop can be told: {signed(row['drop'])}{_within(row, 'drop_low', 'drop_high')}."


def _lost_most(findings: pd.DataFrame) -> list[str]:
    clear = findings[findings["drop_low"] > 0].sort_values("drop", ascending=False)
    if clear.empty:
        return []
    named = ", ".join(_from_to(row) for _, row in clear.head(3).iterrows())
    verb = "drops" if len(clear) == 1 else "drop"
    return [
        f"{len(clear)} of {len(findings)} findings {verb}, with an interval clear of zero; most "
        f"of all {named}."
    ]


def _from_to(row: pd.Series) -> str:
    ends = f"{number(row['own_auroc'])} to {number(row['auroc'])}"
    return f"{row['finding'].replace('_', ' ')} ({ends})"


def _alike(unlike: float, expected: float) -> str:
    said = f"{percent(unlike, 1)} of the images are unlike the training images"
    if unlike > _FALSE_ALARMS * expected:
        return f"{said}, where {percent(expected)} are expected: another kind of image."
    return f"{said}; {percent(expected)} are expected."


def _within(row: pd.Series, low: str, high: str) -> str:
    ends: tuple[Any, Any] = (row[low], row[high])
    if any(end is None or pd.isna(end) for end in ends):
        return ""
    return f" ({number(ends[0])} to {number(ends[1])})"
