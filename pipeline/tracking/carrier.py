"""One spool on its way to its run in MLflow."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.tracking.spool import Reader, Record, files_of
from pipeline.tracking.trouble import reason

log = logging.getLogger(__name__)

Owner = tuple[int, float]
"""A dvc process: its id, and its start in seconds since 1970."""

OpenRun = Callable[[Record, str], Any]
"""The run of an opening record and a spool's name; None if somebody deleted it."""


_REFUSALS = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"}


class LateError(Exception):
    """A run has ended without some of its artefacts, which wait."""


class Carrier:
    """Carries what is new in a spool; artefacts that are not taken hold nothing up."""

    def __init__(self, path: Path) -> None:
        self.retry_at = 0.0  # nothing has failed
        self.owner: Owner | None = None
        self.is_settled = False  # the ends of its run and of the pipeline run are written
        self._reader = Reader(path)
        self.opening: Record = {}  # its first record, once it is read
        self._run: Any = None
        self._late: list[Record] = []
        self._last_ms = 0  # when the last record was written
        self._was_alive = False
        self._has_ended = False
        self._has_warned = False

    def carry(self, open_run: OpenRun) -> bool:
        """Write every new record; whether that was the last one."""
        abandoned = self._reader.is_abandoned()  # asked first: what follows is then all there is
        self._was_alive |= not abandoned
        for record in self._reader.records():
            if record["kind"] == "open":
                self._open(record, open_run, is_watched=not abandoned)
            elif record["kind"] == "artifact":
                if self.is_settled or self._upload(record):
                    self._late.append(record)
            else:
                self._apply(record)
            self._last_ms = record["time_ms"]
        if not self.opening:
            raise ValueError(f"{self._reader.path}: its first line is no report; delete the file")
        if abandoned and not self._has_ended:
            killed_ms = time.time_ns() // 1_000_000 if self._was_alive else self._last_ms
            self._apply({"kind": "end", "status": "KILLED", "time_ms": killed_ms})
            self._last_ms = killed_ms
        return self._has_ended

    def follows(self, other: "Carrier") -> bool:
        """Whether this is of the same pipeline run as another, a later stage, and not settled."""
        later = self._reader.path.name > other._reader.path.name
        return later and self._pipeline == other._pipeline and not self.is_settled

    def end_pipeline(self) -> None:
        """The stage was the last of its pipeline run."""
        self._run.end_pipeline(self._last_ms)

    def finish(self) -> None:
        """Delete the spool, or leave of it what is late: all else is written.

        Raises:
            LateError: Artefacts are still not taken.
        """
        tried = [(record, self._upload(record)) for record in self._late]
        why = [error for _, error in tried if error]
        self._late = [record for record, error in tried if error]
        if not self._late:
            self._reader.remove()
            return
        if not self.is_settled:
            opening = self.opening | {"settled": True, "run": self._run.name}
            self._reader.rewrite([opening, *self._late])
            self.is_settled = True
        names = ", ".join(record["path"] for record in self._late)
        raise LateError(f"{self._name} has ended without {names}: {reason(why[-1])}")

    @property
    def _pipeline(self) -> str:
        """The key of its pipeline run, once its first record is read."""
        return str(self.opening["parent"]["key"]) if self.opening else ""

    @property
    def _name(self) -> str:
        return str(self.opening.get("title", self._reader.path.stem))

    def _open(self, record: Record, open_run: OpenRun, *, is_watched: bool) -> None:
        self.opening, self.owner = record, owner_of(record)
        self._late = []  # of an attempt that broke off
        self._run = open_run(record, self._reader.path.stem)
        self.is_settled = self._has_ended = record.get("settled", False)
        if self._run is None:
            log.warning(
                "warning: %s was deleted in MLflow, and its late artefacts go with it.", self._name
            )
        elif is_watched and record.get("watched", True):
            self._run.watch_machine()

    def _upload(self, record: Record) -> Exception | None:
        """Copy an artefact; what kept it from that, if asking again may help."""
        try:
            if self._run is not None:
                self._run.apply(record, files_of(self._reader.path))
        except Exception as error:
            return None if self._is_refused(error) else error
        return None

    def _apply(self, record: Record) -> None:
        try:
            self._run.apply(record, files_of(self._reader.path))
        except Exception as error:
            if not self._is_refused(error):
                raise
        self._has_ended |= record["kind"] == "end"

    def _is_refused(self, error: Exception) -> bool:
        """Whether asking again cannot help, since the fault is in the record; then it is said.

        Raises:
            Exception: The store takes nothing at all now, or the experiment was deleted.
        """
        self._run.check_experiment()
        if getattr(error, "error_code", "") not in _REFUSALS:
            return False
        self._warn_of_refusal(error)
        return True

    def _warn_of_refusal(self, error: Exception) -> None:
        if not self._has_warned:
            log.warning("warning: MLflow refused a record of %s: %s", self._name, reason(error))
        self._has_warned = True


def owner_of(opening: Record) -> Owner | None:
    """The dvc that started the stage of a spool's first record."""
    owner = opening["parent"]["owner"]
    return (owner[0], owner[1]) if owner else None
