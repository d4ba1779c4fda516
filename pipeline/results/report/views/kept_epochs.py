"""Which epoch was kept of each training, and which another rule would have kept, for the page."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from pipeline.training.records.kept import RANKING


class JudgedEpoch(NamedTuple):
    """An epoch, and how it was judged on validation images."""

    epoch: int
    val_loss: float
    val_auroc: float


class KeptRow(NamedTuple):
    """One training."""

    system: str
    epochs: int
    keep: str
    """The rule in force."""
    kept: JudgedEpoch
    best: dict[str, JudgedEpoch]
    """What each rule of `RANKING` would keep."""


def kept_rows(curves: Mapping[str, pd.DataFrame]) -> list[KeptRow]:
    """A row for each training's learning curves, in their order."""
    return [_row(system, curve) for system, curve in curves.items()]


def kept_row(curve: pd.DataFrame) -> pd.Series:
    """The row of a learning curve whose weights were kept."""
    return curve[curve["kept"] != ""].iloc[0]


def _row(system: str, curve: pd.DataFrame) -> KeptRow:
    kept, rules = kept_row(curve), curve["best_by"].str.split()
    best = {
        rule: _judged(curve[rules.map(lambda words, rule=rule: rule in words)].iloc[0])
        for rule in RANKING
    }
    return KeptRow(system, len(curve), str(kept["kept"]), _judged(kept), best)


def _judged(row: pd.Series) -> JudgedEpoch:
    return JudgedEpoch(int(row["epoch"]), float(row["val_loss"]), float(row["val_auroc"]))
