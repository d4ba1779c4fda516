"""What every trial has come to, kept line by line, so that a killed search goes on from there."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from pipeline.base.files import write_text
from pipeline.search.trials import Trial
from pipeline.training.records.kept import kept_epoch

State = Literal["waiting", "running", "finished", "stopped", "failed"]
"""`finished`: trained as long as its stage would; `stopped`: by ASHA, before that."""

OVER = ("finished", "stopped")
"""What is not begun again when a search goes on; what has failed is."""


@dataclass
class Standing:
    """A trial, and where it stands."""

    trial: Trial
    keep: str
    """Its `train.keep`: the rule by which one of its epochs is kept."""
    state: State = "waiting"
    epochs: list[dict[str, Any]] = field(default_factory=list)
    """What `fit` yielded, and `seconds` that it took."""
    why: str = ""
    """What was wrong, of one that has failed."""

    def kept(self) -> dict[str, Any] | None:
        """The epoch whose weights the stage would keep."""
        found = kept_epoch([SimpleNamespace(**epoch) for epoch in self.epochs], self.keep)
        return None if found is None else vars(found)

    def auroc(self) -> float:
        """Of the weights that would be kept, on validation images; below all if there are none."""
        kept = self.kept()
        return float(kept["val_auroc"]) if kept else -1.0

    def seconds(self) -> float:
        """Of training, from reading the images on."""
        return float(sum(epoch["seconds"] for epoch in self.epochs))


class Logbook:
    """The standings of a search, and the file that they are read from and written to.

    Args:
        path: of the file; what it says of trials is taken over.
        trials: all of them.
        keep: by name, the rule by which the epoch of a trial is kept.
    """

    def __init__(self, path: Path, trials: Iterable[Trial], *, keep: Mapping[str, str]) -> None:
        self.standings = {trial.name: Standing(trial, keep[trial.name]) for trial in trials}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        whole = [line for line in lines if self._takes(line)]
        write_text("".join(f"{line}\n" for line in whole), path)
        self._path = path
        for standing in self.standings.values():
            standing.state = standing.state if standing.state in OVER else "waiting"

    def start(self, name: str) -> None:
        """A trial begins, or goes on."""
        self._note({"trial": name, "state": "running"})

    def add(self, name: str, epoch: Mapping[str, Any], *, stopped: bool) -> None:
        """An epoch of a trial is over, and with it the trial if it is to be stopped.

        One line says both: a search that is killed then does not go on with what was stopped.
        """
        self._note(
            {"trial": name, "epoch": dict(epoch), **({"state": "stopped"} if stopped else {})}
        )

    def end(self, name: str, state: State, why: str = "") -> None:
        """A trial is over, unless it was before."""
        if self.standings[name].state not in OVER:
            self._note({"trial": name, "state": state, "why": why})

    def best(self) -> Standing | None:
        """Of the trials that were trained to their end, the first of highest AUROC."""
        done = [one for one in self.standings.values() if one.state == "finished"]
        return max(done, key=Standing.auroc, default=None)

    def left(self) -> list[Standing]:
        """What is still to be trained, or to be trained on."""
        return [one for one in self.standings.values() if one.state not in OVER]

    def _takes(self, line: str) -> bool:
        """Whether a line is whole, as the last one of a killed search may not be.

        It may be of a trial that is not wanted now, and is kept for when it is again.
        """
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            return False
        if row["trial"] in self.standings:
            self._apply(row)
        return True

    def _note(self, row: dict[str, Any]) -> None:
        self._apply(row)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def _apply(self, row: dict[str, Any]) -> None:
        standing = self.standings[row["trial"]]
        if "epoch" in row:
            standing.epochs.append(row["epoch"])
        if "state" in row:
            standing.state, standing.why = row["state"], row.get("why", "")
