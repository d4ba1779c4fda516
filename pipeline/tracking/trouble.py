"""Why MLflow does not take a report, in whole sentences: what is wrong, and what helps."""

import re
import sqlite3
from collections.abc import Iterator

from pipeline.tracking.address import command

_SERVER = re.compile(r"API request to (https?://[^/\s]+).* failed with exception")

_SQLITE_HELP = {
    "unable to open database file": "is its folder there, and may it be written?",
    "database or disk is full": "make room on its disk.",
    "attempt to write a readonly database": "make the file and its folder writable.",
    "database is locked": "another process holds it; end that process if it should not.",
    "file is not a database": "move the file away, and a new one is made.",
}


class ExperimentDeletedError(Exception):
    """The runs' experiment was deleted."""


def deleted(name: str, number: str, uri: str, *, is_file: bool) -> ExperimentDeletedError:
    """What says that an experiment was deleted, with the commands that help.

    Args:
        name: of the experiment.
        number: of the experiment.
        uri: of the store, as MLflow is told it.
        is_file: Whether the store is a file; only the host of a server can delete for good.
    """
    restore = command(uri, f"experiments restore -x {number}")
    purge = command(uri, f"gc --backend-store-uri {{uri}} --experiment-ids {number}")
    anew = f"; `{purge}` deletes it with its runs for good, and the next run begins it anew"
    return ExperimentDeletedError(
        f"its experiment {name} was deleted; `{restore}` brings it back with its runs"
        + (anew if is_file else "")
    )


def reason(error: BaseException) -> str:
    """One sentence, with its full stop: never cut, never more than one line."""
    for known in (_of_server, _of_database, _of_file, _of_any):
        said = known(error)
        if said:
            return said if said[-1] in ".?!" else f"{said}."
    return f"{type(error).__name__}."


def _of_server(error: BaseException) -> str:
    """Requests say within one line all that they tried; whom they tried is enough."""
    found = _SERVER.search(str(error))
    if not found:
        return ""
    return f"{found[1]} does not answer; start that server, or see that it can be reached"


def _of_database(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, sqlite3.Error):
            said = str(cause)
            return f"SQLite says of the store: {said}" + (
                f"; {_SQLITE_HELP[said]}" if said in _SQLITE_HELP else ""
            )
    return ""


def _of_file(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror and cause.filename:
            return f"{cause.filename}: {cause.strerror}"
    return ""


def _of_any(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
