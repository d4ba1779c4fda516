"""Artefacts of a store that is a file lie beside it, also once the folder of both was moved.

MLflow keeps, for each experiment, run and model, the absolute path of its artefacts. In a checkout
that was renamed those paths lead nowhere; in a copied one they lead into the original.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

FOLDER = "mlartifacts"

_TABLES = "select count(*) from sqlite_master where name in ('experiments', 'runs')"
_EXPERIMENTS = "select experiment_id, artifact_location from experiments"
_RUNS = "select run_uuid, artifact_uri from runs"
_MOVE_EXPERIMENT = "update experiments set artifact_location = ? where experiment_id = ?"
_MOVE_RUN = "update runs set artifact_uri = ? where run_uuid = ?"
_RUN = "select artifact_uri, experiment_id from runs where run_uuid = ?"

_MODEL_TABLES = (
    "select count(*) from sqlite_master where name in ('logged_models', 'model_versions')"
)
_MODELS = {
    "select rowid, artifact_location from logged_models": (
        "update logged_models set artifact_location = ? where rowid = ?"
    ),
    "select rowid, storage_location from model_versions": (
        "update model_versions set storage_location = ? where rowid = ?"
    ),
}
"""Where a model's files are, by the question for it: what changes that."""

_DEFAULT = 0
"""Experiment that MLflow makes by itself, with artefacts in its maker's current folder."""


def folder_of(database: Path) -> Path:
    """Where the artefacts of a store belong."""
    return database.parent.resolve() / FOLDER


def lock_of(database: Path) -> Path:
    """The file to lock while a store is opened or its paths are changed."""
    return database.with_name(f"{database.name}.lock")


def follow(database: Path) -> None:
    """Point what had its artefacts beside the store to where they are now.

    A run or model follows if its artefacts came along, or are not where it says. One whose
    artefacts are only there, as in a store that several checkouts share, stays as it is. So does
    an experiment to which somebody gave a folder of another name, and whatever is no local path.

    Raises:
        sqlite3.Error: The file is no store, or cannot be written.
    """
    here = folder_of(database)
    with _opened(database) as store:
        if store.execute(_TABLES).fetchone() != (2,):
            return  # somebody is about to make it
        for experiment, uri in store.execute(_EXPERIMENTS).fetchall():
            path = _local(uri)
            if path and path.name == FOLDER and path.resolve() != here.resolve():
                store.execute(_MOVE_EXPERIMENT, (here.as_uri(), experiment))
        for run, uri in store.execute(_RUNS).fetchall():
            path = _local(uri)
            if path and _has_left(path, run, here) and _has_come(path, here / run):
                store.execute(_MOVE_RUN, (_of_run(here, run), run))
        if store.execute(_MODEL_TABLES).fetchone() == (2,):
            _follow_models(store, here)


def _follow_models(store: sqlite3.Connection, here: Path) -> None:
    for question, change in _MODELS.items():
        for row, uri in store.execute(question).fetchall():
            path = _local(uri)
            if path and _is_of_model(path) and path.parents[2].resolve() != here.resolve():
                new = here.joinpath(*path.parts[-3:])
                if _has_come(path, new):
                    store.execute(change, (new.as_uri(), row))


def _is_of_model(path: Path) -> bool:
    folders = path.parts[-4:]
    return len(folders) == 4 and (folders[0], folders[1], folders[3]) == _OF_MODEL


_OF_MODEL = (FOLDER, "models", "artifacts")
"""`mlartifacts/models/<model>/artifacts`, the model's id apart."""


def claim(database: Path, run: str) -> None:
    """Let the artefacts of a run that is written to lie beside the store, with those it has.

    Its record may name the original of a copied checkout, the current folder of who made the
    Default experiment, or what only a server can write to. A place that somebody gave to the
    experiment is left.

    Raises:
        OSError: Its artefacts cannot be copied.
        sqlite3.Error: The store cannot be written.
    """
    here = folder_of(database)
    with _opened(database) as store:
        uri, experiment = store.execute(_RUN, (run,)).fetchone()
        path = _local(uri)
        is_default = path is not None and experiment == _DEFAULT and here not in path.parents
        if path and (is_default or _has_left(path, run, here)):
            if path.is_dir():
                shutil.copytree(path, here / run / "artifacts", dirs_exist_ok=True)
        elif not uri.startswith("mlflow-artifacts:"):
            return
        store.execute(_MOVE_RUN, (_of_run(here, run), run))


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    uri = f"{database.resolve().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=30.0)) as store, store:
        yield store


def _local(uri: str | None) -> Path | None:
    parts = urlsplit(uri or "")
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if uri and uri.startswith("/") else None


def _has_left(path: Path, run: str, here: Path) -> bool:
    """Whether a run's artefacts are said to be beside the store, where it is no longer."""
    of_run = path.parts[-3:] == (FOLDER, run, "artifacts")
    return of_run and path.parents[1].resolve() != here.resolve()


def _has_come(path: Path, new: Path) -> bool:
    return new.exists() or not path.exists()


def _of_run(here: Path, run: str) -> str:
    return f"{here.as_uri()}/{run}/artifacts"
