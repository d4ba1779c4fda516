"""What is asked of MLflow's registry, and why it does not answer."""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import ArtifactError, PipelineError
from pipeline.tracking.address import command, database_of, for_mlflow, given
from pipeline.tracking.registry.model_names import ADDRESSES, is_address
from pipeline.tracking.trouble import reason
from pipeline.tracking.writer import be_quiet

if TYPE_CHECKING:
    from pipeline.tracking.registry.versions import Version

_NAME = re.compile(r"[\w .-]+")
_SECONDS_PER_FILE = "60"
"""That a server may take to put a file of weights away."""


def model_folder(uri: str) -> Path:
    """The packaged folder of a model in MLflow.

    The store is that of MLFLOW_TRACKING_URI, or of the checkout around the current folder. A
    model whose files lie on this machine is read there; any other is fetched once, into the
    user's cache.

    Args:
        uri: one of `ADDRESSES`.

    Raises:
        ArtifactError: there is no such model, or its files are gone.
        PipelineError: MLflow is not installed, or the store does not answer.
    """
    if not is_address(uri):
        raise ArtifactError(f"{uri}: no address of a model in MLflow; expected {ADDRESSES}")
    place = _place_around(Path.cwd())
    if place.database and not place.database.is_file():
        raise ArtifactError(
            f"{uri}: there is no store {place.database}; `cxr model register` makes one in a "
            "checkout, MLFLOW_TRACKING_URI names another"
        )
    with _explained(uri):
        from pipeline.tracking.registry.found import folder_of  # noqa: PLC0415 (seconds)

        return folder_of(uri, place.uri, place.database)


def register_model(folder: Path, name: str, *, revision: str | None, root: Path) -> "Version":
    """Make a packaged model a version of a registered model, unless it is one already.

    The store is that of MLFLOW_TRACKING_URI, or of the checkout.

    Args:
        folder: `data/models`, or an export.
        name: of the registered model; without one, that of the MLflow experiment.
        revision: of git, that the version names.
        root: the checkout.

    Raises:
        ArtifactError: the folder is no whole packaged model.
        PipelineError: MLflow is not installed, or the store does not take it.
    """
    place = _place_in(root)
    name = name or place.experiment
    if not _NAME.fullmatch(name):
        raise PipelineError(
            f"--name {name!r}: expected letters, digits, spaces, dots, hyphens and underscores"
        )
    with _explained(str(folder)):
        from pipeline.tracking.registry.versions import register  # noqa: PLC0415 (seconds)
        from pipeline.tracking.store import Store  # noqa: PLC0415 (seconds)

        store = Store(place.uri, place.experiment, database=place.database)
        return register(folder, name, revision=revision, store=store, uri=place.uri)


def serve_command(model: str, root: Path) -> str:
    """What a person types to serve a model of that store, in a shell in any folder.

    Args:
        model: its address.
        root: the checkout.
    """
    words = f"models serve -m {shlex.quote(model)} --env-manager local --port 5001"
    return command(_place_in(root).uri, words)


class _Place(NamedTuple):
    uri: str
    """As MLflow is told it."""
    experiment: str
    database: Path | None


def _place_in(root: Path) -> _Place:
    uri, experiment = given()
    try:
        return _Place(for_mlflow(uri, root), experiment, database_of(uri, root))
    except ValueError as error:
        raise PipelineError(str(error)) from None


def _place_around(here: Path) -> _Place:
    """That of the nearest folder with a database, from here upwards, or that of DVC_ROOT."""
    asked = os.environ.get("DVC_ROOT")
    folders = [Path(asked)] if asked else [here, *here.parents]
    uri = given()[0]
    there = (one for one in folders if (found := database_of(uri, one)) and found.is_file())
    return _place_in(next(there, folders[0]).resolve())


@contextmanager
def _explained(asked: str) -> Iterator[None]:
    """What MLflow cannot do, in one line.

    Raises:
        PipelineError: it could not.
    """
    be_quiet(MLFLOW_HTTP_REQUEST_TIMEOUT=_SECONDS_PER_FILE)
    try:
        yield
    except (PipelineError, OSError):
        raise
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise PipelineError(
            f"{asked}: needs MLflow, and {package} is not installed; "
            "pip install '.[pipeline]' in the checkout"
        ) from None
    except Exception as error:
        raise PipelineError(f"{asked}: MLflow says: {reason(error)}") from None
