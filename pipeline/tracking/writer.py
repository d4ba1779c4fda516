"""The one process per checkout that imports MLflow: carries the stages' spools into its store.

Started by every stage; all but one leave at once. It stays while the `dvc` that started a stage
runs, since the next stage is near, and ends with it. A server that does not answer costs one
warning: the spools wait, for the server or for the next run's writer, or for a person who starts
one, `python -m pipeline.tracking.writer .tracking`.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.tracking.origin import is_alive
from pipeline.tracking.spool import Reader, Record, exclusive, files_of, spools

log = logging.getLogger(__name__)

POLL_S = 0.3
RETRY_S = 30.0
"""Pause after a request that failed."""

Owner = tuple[int, float]
"""A dvc process: its id, and its start in seconds since 1970."""

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""MLflow's settings where the user made none: no call home, no long waits, no chatter."""


class Writer:
    """Carries every spool of a folder until nobody has anything more to say."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._carriers: dict[Path, _Carrier] = {}
        self._owners: set[Owner] = set()
        self._stores: dict[tuple[str, str], Any] = {}
        self._has_warned = False

    def run(self) -> set[Path]:
        """Write until the stages and the dvc that started them are gone; the spools left over."""
        while True:
            left = [path for path in spools(self._folder) if not self._is_done(path)]
            if all(map(self._is_stuck, left)) and not any(map(is_alive, self._owners)):
                return set(left)
            time.sleep(POLL_S)

    def _is_stuck(self, path: Path) -> bool:
        """Whether a spool is whole, its stage gone, and could still not be written."""
        return self._carriers[path].retry_at > 0 and Reader(path).is_abandoned()

    def _is_done(self, path: Path) -> bool:
        """Carry what is new in a spool; whether it is now written to its end, and gone."""
        carrier = self._carriers.setdefault(path, _Carrier(path))
        if time.monotonic() < carrier.retry_at:
            return False
        try:
            done = carrier.carry(self._open) and self._has_left(carrier)
            carrier.retry_at = 0.0
        except Exception as error:
            carrier.retry_at = time.monotonic() + RETRY_S
            self._warn(error)
            return False
        if done:
            del self._carriers[path]
        return done

    def _has_left(self, carrier: "_Carrier") -> bool:
        """Remove a whole spool, unless it is the last of a pipeline run that may go on.

        That one stays until dvc is gone, since the end of the run is then to be written: even if
        it is another writer that finds it.
        """
        later = [other for other in self._carriers.values() if other.follows(carrier)]
        if not later and carrier.owner and is_alive(carrier.owner):
            return False
        if not later:
            carrier.end_pipeline()
        carrier.remove()
        return True

    def _open(self, record: Record, spool: str) -> Any:
        owner = owner_of(record)
        if owner:
            self._owners.add(owner)
        # Here, not above: importing MLflow takes seconds, and an MLflow that cannot be
        # imported is a warning like any other.
        from pipeline.tracking.store import Store  # noqa: PLC0415

        place = (record["uri"], record["experiment"])
        if place not in self._stores:
            uri, experiment = place
            self._stores[place] = Store(uri, experiment, artifacts=record["artifacts"])
        return self._stores[place].open(record, spool)

    def _warn(self, error: Exception) -> None:
        if not self._has_warned:
            reason = " ".join(str(error).split())
            log.warning(
                "warning: MLflow does not take what the stages report: %s. The pipeline goes "
                "on, and the next run tries again; delete %s to forget the reports.",
                reason if len(reason) < 200 else reason[:200] + "...",
                self._folder,
            )
        self._has_warned = True


class _Carrier:
    """One spool on its way to its run."""

    def __init__(self, path: Path) -> None:
        self.retry_at = 0.0  # nothing has failed
        self.owner: Owner | None = None
        self._reader = Reader(path)
        self._pipeline = ""  # the key of its pipeline run, once its first record is read
        self._run: Any = None
        self._last_ms = 0  # when the last record was written
        self._was_alive = False
        self._has_ended = False
        self._has_warned = False

    def carry(self, open_run: Callable[[Record, str], Any]) -> bool:
        """Write every new record; whether that was the last one."""
        abandoned = self._reader.is_abandoned()  # asked first: what follows is then all there is
        self._was_alive |= not abandoned
        for record in self._reader.records():
            if record["kind"] == "open":
                self._pipeline, self.owner = record["parent"]["key"], owner_of(record)
                self._run = open_run(record, self._reader.path.stem)
                if not abandoned and record.get("watched", True):
                    self._run.watch_machine()
            else:
                self._apply(record)
            self._last_ms = record["time_ms"]
        if abandoned and not self._has_ended:
            killed_ms = time.time_ns() // 1_000_000 if self._was_alive else self._last_ms
            self._apply({"kind": "end", "status": "KILLED", "time_ms": killed_ms})
            self._last_ms = killed_ms
        return self._has_ended

    def follows(self, other: "_Carrier") -> bool:
        """Whether this is of the same pipeline run as another, and a later stage."""
        later = self._reader.path.name > other._reader.path.name
        return later and self._pipeline == other._pipeline

    def end_pipeline(self) -> None:
        """The stage was the last of its pipeline run."""
        self._run.end_pipeline(self._last_ms)

    def remove(self) -> None:
        """Delete the spool, which is written."""
        self._reader.remove()

    def _apply(self, record: Record) -> None:
        try:
            self._run.apply(record, files_of(self._reader.path))
        except Exception as error:
            if not _is_refusal(error):
                raise
            self._warn_of_refusal(error)
        self._has_ended |= record["kind"] == "end"

    def _warn_of_refusal(self, error: Exception) -> None:
        if not self._has_warned:
            name = self._reader.path.stem
            log.warning("warning: MLflow refused a record of %s: %s", name, error)
        self._has_warned = True


def owner_of(opening: Record) -> Owner | None:
    """The dvc that started the stage of a spool's first record."""
    owner = opening["parent"]["owner"]
    return (owner[0], owner[1]) if owner else None


def _is_refusal(error: Exception) -> bool:
    """Whether asking again cannot help: the fault is in the record."""
    code = getattr(error, "error_code", "")
    return isinstance(error, FileNotFoundError) or code in {
        "INVALID_PARAMETER_VALUE",
        "RESOURCE_DOES_NOT_EXIST",
    }


def main() -> None:
    """Write what waits in the folder named on the command line, unless another does."""
    folder = Path(sys.argv[1])
    os.chdir(folder)  # the folder of a temporary experiment is deleted with it
    os.nice(5)  # a training comes first
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    logging.basicConfig(level=logging.CRITICAL, format="%(message)s")
    log.setLevel(logging.WARNING)  # one warning of ours, none of a library's
    with suppress(FileNotFoundError):  # somebody deleted the folder: nothing left to write
        _write_all(folder)


def _write_all(folder: Path) -> None:
    stuck: set[Path] = set()
    # Looked at again after the lock is free: a stage that began meanwhile found it taken.
    while set(spools(folder)) - stuck:
        with exclusive(folder / "writer.lock") as mine:
            if not mine:
                return
            stuck = Writer(folder).run()


if __name__ == "__main__":
    main()
