"""Where the store is: the address that a person gave, the file behind it, what MLflow is told."""

import os
import shlex
from pathlib import Path

SQLITE = "sqlite:///"
"""Begins the address of a store that is a file."""

DATABASE = "mlflow.db"
"""The store in a checkout, unless MLFLOW_TRACKING_URI is set."""

EXPERIMENT = "cxr-pipeline"
"""Name of the MLflow experiment that holds every run, unless MLFLOW_EXPERIMENT_NAME is set."""


def given() -> tuple[str, str]:
    """The store and the MLflow experiment in it, as the environment names them."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{DATABASE}"
    return uri, os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT


def database_of(uri: str, root: Path) -> Path | None:
    """The file of a SQLite store; None for a store of any other kind.

    Args:
        uri: As given. A relative path starts at `root`, wherever a stage runs: the folder of a
            temporary experiment is deleted with it.
        root: The checkout.
    """
    if not uri.startswith(SQLITE):
        return None
    if "%" not in uri:
        return root / _path(uri)
    # Whether `%3F` is a question mark depends on its version.
    from sqlalchemy import make_url  # noqa: PLC0415 (a fraction of a second)

    return root / (make_url(uri).database or "")


def for_mlflow(uri: str, root: Path) -> str:
    """`uri` as MLflow is to be told it.

    The address of a file has no writing of `?` that every version of SQLAlchemy reads, nor of
    `%`. Below a checkout with one in its path, MLflow is told the path from the current folder.

    Raises:
        ValueError: The path needs that, and the current folder is not the checkout.
    """
    if not uri.startswith(SQLITE) or _path(uri).startswith("/"):
        return uri
    if not set("?%") & set(str(root)):
        return f"{SQLITE}{root}/{uri.removeprefix(SQLITE)}"
    if Path.cwd() != root:
        raise ValueError(
            f"{root}: MLflow cannot be told a path with ? or %; run this in that folder"
        )
    return uri


def after_move(uri: str, old: Path, root: Path) -> str:
    """`uri`, noted in the checkout when it was at `old`, in the checkout as it is at `root`."""
    below = f"{SQLITE}{old}/"
    return SQLITE + uri.removeprefix(below) if old != root and uri.startswith(below) else uri


def command(uri: str, words: str) -> str:
    """An `mlflow` command on the store that MLflow was told `uri` of, for any folder's shell.

    Args:
        uri: As MLflow was told it by this process.
        words: The command; `{uri}` in it is the address, quoted.
    """
    is_relative = uri.startswith(SQLITE) and not _path(uri).startswith("/")
    place = f"cd {shlex.quote(str(Path.cwd()))} && " if is_relative else ""
    address = shlex.quote(uri)
    return f"{place}MLFLOW_TRACKING_URI={address} mlflow {words.replace('{uri}', address)}"


def shown(uri: str) -> str:
    """What a person types to see the runs, in the checkout's folder; of a server, where it is."""
    is_server = uri.startswith(("http://", "https://"))
    return uri if is_server else f"mlflow ui --backend-store-uri {shlex.quote(uri)}"


def _path(uri: str) -> str:
    return uri.removeprefix(SQLITE).partition("?")[0]
