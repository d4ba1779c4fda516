"""The stores that spools name, each opened once; one that failed is left in peace for a while."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.tracking.address import after_move, database_of, for_mlflow
from pipeline.tracking.spool import Record

RETRY_S = 30.0
"""Pause after a request that failed."""

Place = tuple[str, str]
"""A store's address, and the name of the experiment in it."""


class Stores:
    """Opens stores for spools of the checkout at `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stores: dict[Place, Any] = {}
        self._failed: dict[Place, tuple[float, Exception]] = {}

    def open_run(self, opening: Record, spool: str) -> Any:
        """The run of a spool; None if its end is written, and somebody has deleted it since.

        Raises:
            Exception: The store cannot be opened, or could not a moment ago.
        """
        store = self._store(self._place(opening))
        take = store.reopen if opening.get("settled", False) else store.open
        return take(opening, spool)

    def doubt(self, opening: Record) -> None:
        """A request failed: before the next one, see whether the store is there at all.

        A server that hangs then costs its time once, not once for each spool that waits.
        """
        with suppress(KeyError):  # what failed was to read the spool
            self._stores.pop(self._place(opening), None)

    def _store(self, place: Place) -> Any:
        if place not in self._stores:
            failed_at, error = self._failed.get(place, (0.0, None))
            if error and time.monotonic() < failed_at + RETRY_S:
                raise error
            try:
                self._stores[place] = self._opened(*place)
            except Exception as error:
                self._failed[place] = time.monotonic(), error
                raise
            self._failed.pop(place, None)
        return self._stores[place]

    def _opened(self, uri: str, experiment: str) -> Any:
        # Here, not above: importing MLflow takes seconds, and an MLflow that cannot be
        # imported is a warning like any other.
        from pipeline.tracking.store import Store  # noqa: PLC0415

        database = database_of(uri, self._root)
        return Store(for_mlflow(uri, self._root), experiment, database=database)

    def _place(self, opening: Record) -> Place:
        # Earlier spools name the folder of artefacts, which the checkout held.
        old = Path(opening["root"]) if "root" in opening else Path(opening["artifacts"]).parent
        return after_move(opening["uri"], old, self._root), opening["experiment"]
