"""The one process per checkout that imports MLflow: carries the stages' spools into its store.

Started by every stage; all but one leave at once. It stays while the `dvc` that started a stage
runs, since the next stage is near, and ends with it. A server that does not answer costs one
warning: the spools wait, for the server or for the next run's writer, or for a person who starts
one, `python -m pipeline.tracking.writer .tracking`. That also mends the paths of artefacts after
the checkout was renamed or copied.
"""

import logging
import os
import sqlite3
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.tracking import artifacts
from pipeline.tracking.address import database_of, given
from pipeline.tracking.carrier import Carrier, LateError, Owner, owner_of
from pipeline.tracking.origin import is_alive
from pipeline.tracking.spool import Reader, Record, exclusive, spools, sweep, waiting
from pipeline.tracking.stores import RETRY_S, Stores
from pipeline.tracking.trouble import reason

log = logging.getLogger(__name__)

POLL_S = 0.3


QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""MLflow's settings where the user made none: no call home, no long waits, no chatter."""


def be_quiet(**others: str) -> None:
    """Make these settings for this process, before it imports MLflow, and those it starts.

    Args:
        others: in place of some of `QUIET`.
    """
    settings = QUIET | others
    os.environ.update({name: os.environ.get(name, value) for name, value in settings.items()})
    logging.getLogger("alembic").setLevel(logging.CRITICAL)


class Writer:
    """Carries every spool of a folder until nobody has anything more to say."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._carriers: dict[Path, Carrier] = {}
        self._owners: set[Owner] = set()
        self._stores = Stores(folder.parent)
        self._warned: set[bool] = set()

    def run(self) -> set[Path]:
        """Write until the stages and the dvc that started them are gone; the spools left over."""
        sweep(self._folder)
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
        carrier = self._carriers.setdefault(path, Carrier(path))
        if time.monotonic() < carrier.retry_at:
            return False
        try:
            done = carrier.carry(self._open) and self._has_left(carrier)
            carrier.retry_at = 0.0
        except Exception as error:
            carrier.retry_at = time.monotonic() + RETRY_S
            self._warn(error, carrier)
            return False
        if done:
            del self._carriers[path]
        return done

    def _has_left(self, carrier: Carrier) -> bool:
        """Remove a whole spool, unless it is the last of a pipeline run that may go on.

        That one stays until dvc is gone, since the end of the run is then to be written: even if
        it is another writer that finds it.
        """
        later = [other for other in self._carriers.values() if other.follows(carrier)]
        is_last = not later and not carrier.is_settled
        if is_last and carrier.owner and is_alive(carrier.owner):
            return False
        if is_last:
            carrier.end_pipeline()
        carrier.finish()
        return True

    def _open(self, record: Record, spool: str) -> Any:
        owner = owner_of(record)
        if owner:
            self._owners.add(owner)
        return self._stores.open_run(record, spool)

    def _warn(self, error: Exception, carrier: Carrier) -> None:
        """Once for artefacts that are late, once for all else."""
        is_late = isinstance(error, LateError)
        if not is_late:
            self._stores.doubt(carrier.opening)
        if is_late not in self._warned:
            what = (
                "does not have every artefact"
                if is_late
                else "does not take what the stages report"
            )
            log.warning(
                "warning: MLflow %s: %s The pipeline goes on; %s in %s, and the next run tries "
                "again; delete that folder to forget them.",
                what,
                reason(error),
                waiting(self._folder),
                self._folder,
            )
        self._warned.add(is_late)


def main() -> None:
    """Write what waits in the folder named on the command line, unless another does."""
    folder = Path(sys.argv[1]).resolve()
    if not folder.is_dir():
        sys.exit(f"error: {folder}: no such folder; expected the .tracking of a checkout")
    os.chdir(folder.parent)  # the folder of a temporary experiment is deleted with it
    os.nice(5)  # a training comes first
    be_quiet()
    logging.basicConfig(level=logging.CRITICAL, format="%(message)s")
    log.setLevel(logging.WARNING)  # warnings of ours, none of a library's
    _mend_paths(folder.parent)
    with suppress(FileNotFoundError):  # somebody deleted the folder: nothing left to write
        _write_all(folder)


def _mend_paths(root: Path) -> None:
    """Let a store that is a file find its artefacts where the checkout is now."""
    database = database_of(given()[0], root)
    if database is None or not database.exists():
        return
    try:
        with exclusive(artifacts.lock_of(database), wait=True):
            artifacts.follow(database)
    except (OSError, sqlite3.Error) as error:
        log.warning("warning: the paths of artefacts were not looked at: %s", reason(error))


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
