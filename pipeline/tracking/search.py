"""What a search says about itself: a run of its own, and one nested in it for each trial.

Trials train in other processes, maybe on other machines; the process that leads the search hears
of every epoch and writes for all of them, into a spool for each run like any stage.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.base.checkout import checkout
from pipeline.tracking.launch import spool_folder, start_writer
from pipeline.tracking.origin import search_origin
from pipeline.tracking.session import (
    is_wanted,
    numbers_of,
    opening_of,
)
from pipeline.tracking.spool import Record, Spool
from pipeline.tracking.trouble import reason

log = logging.getLogger(__name__)

STATUS = {"finished": "FINISHED", "stopped": "FINISHED", "failed": "FAILED"}
"""MLflow's word for a trial's state, which is kept as a tag."""

_WHOLE = ""  # in place of a trial's name: the search itself


class SearchRun:
    """The runs of a search.

    Args:
        name: of the search.
        key: which no other search has, and this one has again when it goes on.
        params: the params file that its trials change.
    """

    def __init__(self, name: str, *, key: str, params: Path) -> None:
        self._spools: dict[str, Spool] = {}
        self._is_on, self._has_warned = is_wanted(), False
        self._name = f"search {name} {key}"
        self._try(self._begin, name, key, params)

    def start(self, trial: str, changes: Mapping[str, str]) -> None:
        """A trial begins, or goes on in the run that it had."""
        run = f"{self._name} {trial}"
        own = {"stage": "trial", "title": trial, "options": dict(changes), "run": run}
        self._try(self._open, trial, own | {"watched": False})

    def epoch(self, trial: str, numbers: Mapping[str, Any]) -> None:
        """An epoch of a trial: a step, under its number."""
        fields = numbers_of(numbers)
        step = int(fields.pop("epoch"))
        self._try(self._say, trial, {"kind": "metrics", "values": fields, "step": step})

    def end(self, trial: str, state: str) -> None:
        """A trial is over."""
        self._try(self._close, trial, {"kind": "end", "status": STATUS[state], "state": state})

    def finish(self, numbers: Mapping[str, Any], files: list[Path]) -> None:
        """The search is over; these are its best trial's numbers, and tables of all."""
        self._try(self._say, _WHOLE, {"kind": "metrics", "values": numbers_of(numbers), "step": 0})
        for file in files:
            self._try(self._add, file)
        self._try(self._close, _WHOLE, {"kind": "end", "status": "FINISHED"})

    def _begin(self, name: str, key: str, params: Path) -> None:
        root = checkout()
        self._folder = spool_folder(root)
        self._opening = opening_of(search_origin(name, key=key, params=params), root)
        self._open(_WHOLE, {"stage": "search", "title": f"search {name}", "options": {}})

    def _open(self, trial: str, own: Record) -> None:
        title = own["title"].replace(" ", "-")
        self._spools[trial] = Spool(self._folder, title, self._opening | own)
        start_writer(self._folder)

    def _say(self, trial: str, record: Record) -> None:
        self._of(trial).append(record)

    def _add(self, file: Path) -> None:
        spool = self._of(_WHOLE)
        spool.append({"kind": "artifact", "path": spool.add(file)})

    def _close(self, trial: str, record: Record) -> None:
        spool = self._of(trial)
        del self._spools[trial]
        spool.append(record)
        spool.close()
        start_writer(self._folder)

    def _of(self, trial: str) -> Spool:
        if trial not in self._spools:
            raise ValueError(f"no record of {trial} was begun")
        return self._spools[trial]

    def _try(self, action: Callable[..., None], *args: Any) -> None:
        """Tracking never costs a search: what goes wrong is a warning, and the rest is tracked."""
        if not self._is_on:
            return
        try:
            action(*args)
        except Exception as error:
            self._is_on = _WHOLE in self._spools
            if not self._has_warned:
                missing = "tracked with gaps" if self._is_on else "not tracked"
                log.warning("warning: this search is %s: %s", missing, reason(error))
            self._has_warned = True
