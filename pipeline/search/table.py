"""The standings of a search as a table for people, and as one for programs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.base.files import replacing
from pipeline.results.terminal.aligned import aligned
from pipeline.search.logbook import Standing
from pipeline.search.trials import as_word

SHOWN = 15
"""Rows of the table for people, at most."""

ORDER = ("finished", "running", "stopped", "failed")


def progress_table(standings: Iterable[Standing]) -> str:
    """What is trained to its end, best first, what runs, and what was stopped; a line counts all.

    AUROC is of the epoch whose weights the stage would keep, on validation images.
    """
    every = list(standings)
    begun = sorted((one for one in every if one.state in ORDER), key=_rank)
    shown = begun[:SHOWN]
    rows = [["trial", "state", "epoch", "val AUROC", "seconds", *_keys(every)]]
    rows += [_cells(one) for one in shown]
    more = [f"({len(begun) - SHOWN} more in trials.csv)"] if len(begun) > SHOWN else []
    return "\n".join([_counted(every), aligned(rows), *more])


def _rank(standing: Standing) -> tuple[int, float]:
    return ORDER.index(standing.state), -standing.auroc()


def _keys(standings: list[Standing]) -> list[str]:
    """The keys that are tried, each by its shortest ending that no other one has."""
    keys = list(standings[0].trial.changes)
    return [next(end for end in _endings(key) if _is_of_one(end, keys)) for key in keys]


def _endings(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]


def _is_of_one(ending: str, keys: list[str]) -> bool:
    return sum(f".{key}".endswith(f".{ending}") for key in keys) == 1


def _cells(one: Standing) -> list[str]:
    auroc = f"{one.auroc():.4f}" if one.epochs else "-"
    epoch = str(len(one.epochs))
    values = [as_word(value) for value in one.trial.changes.values()]
    return [one.trial.name, one.state, epoch, auroc, f"{one.seconds():.0f}", *values]


def _counted(standings: list[Standing]) -> str:
    names = (*ORDER, "waiting")
    counts = {name: sum(one.state == name for one in standings) for name in names}
    said = [f"{count} {name}" for name, count in counts.items() if count]
    return f"{len(standings)} trials: {', '.join(said)}"


def write_trials(standings: Iterable[Standing], path: Path) -> None:
    """Write a csv with a row for each trial."""
    frame = pd.DataFrame([_row(one) for one in standings])
    with replacing(path) as fresh:
        frame.to_csv(fresh, index=False)


def _row(one: Standing) -> dict[str, Any]:
    kept = one.kept() or {}
    return {
        "trial": one.trial.name,
        "state": one.state,
        "epochs": len(one.epochs),
        "val_auroc": kept.get("val_auroc"),
        "val_loss": kept.get("val_loss"),
        "kept_epoch": kept.get("epoch"),
        "keep": one.keep,
        "seconds": round(one.seconds(), 1),
        **{key: as_word(value) for key, value in one.trial.changes.items()},
        "why": one.why,
    }
