"""The packaged folder of a model that MLflow knows: where it lies, or fetched."""

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from pipeline.base.files import replacing
from pipeline.errors import ArtifactError
from pipeline.predict.about.description import NOTE
from pipeline.tracking import artifacts
from pipeline.tracking.registry.model_names import ADDRESSES, PACKAGE
from pipeline.tracking.store import opened

log = logging.getLogger(__name__)

_MOST_VERSIONS = 1000


def folder_of(uri: str, store: str, database: Path | None) -> Path:
    """The packaged folder.

    Args:
        uri: one of `ADDRESSES`.
        store: where, as MLflow is told it.
        database: the file of a SQLite store.

    Raises:
        ArtifactError: there is no such model, or its files are gone.
    """
    with opened(store, database) as client:
        if database:
            artifacts.follow(database)
    model = _model_of(uri, client)
    location = client.get_logged_model(model).artifact_location
    parts = urlsplit(location)
    if parts.scheme in ("", "file"):
        return _expect_package(Path(unquote(parts.path)) / PACKAGE, uri)
    kept = _cache() / model
    if not kept.exists():
        log.info("fetches %s into %s", uri, kept)
        with replacing(kept) as fresh:
            mlflow.artifacts.download_artifacts(
                f"{location.rstrip('/')}/{PACKAGE}", dst_path=str(fresh), tracking_uri=store
            )
    return _expect_package(kept / Path(PACKAGE).name, uri)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "cxr/models"


def _expect_package(folder: Path, uri: str) -> Path:
    if not (folder / NOTE).is_file():
        raise ArtifactError(
            f"{uri}: {folder} holds no {NOTE}; delete that version in MLflow, and "
            "`cxr model register` makes a new one"
        )
    return folder


def _model_of(uri: str, client: MlflowClient) -> str:
    """The id of the model that an address means."""
    for pattern, find in _FINDERS.items():
        said = re.fullmatch(pattern, uri)
        if said:
            return find(client, *said.groups())
    raise ArtifactError(f"{uri}: no address of a model in MLflow; expected {ADDRESSES}")


def _by_version(client: MlflowClient, name: str, number: str) -> str:
    known = _versions(client, name)
    if number not in known:
        there = ", ".join(sorted(known, key=int))
        raise ArtifactError(f"models:/{name}/{number}: no such version; there are {there}")
    return _model_of(known[number].source, client)


def _by_alias(client: MlflowClient, name: str, alias: str) -> str:
    known = _versions(client, name)
    aliases: dict[str, str] = client.get_registered_model(name).aliases
    if alias not in aliases:
        there = ", ".join(sorted(aliases)) or "none; `mlflow ui` sets one on the model's page"
        raise ArtifactError(f"models:/{name}@{alias}: no such alias; there are {there}")
    return _model_of(known[str(aliases[alias])].source, client)


def _versions(client: MlflowClient, name: str) -> dict[str, ModelVersion]:
    found = client.search_model_versions(f"name = '{name}'", max_results=_MOST_VERSIONS)
    if not found:
        names = ", ".join(sorted(one.name for one in client.search_registered_models()))
        raise ArtifactError(
            f"models:/{name}: no such model; there are {names or 'none'}; "
            "`cxr model register` makes one"
        )
    return {str(one.version): one for one in found}


def _by_id(client: MlflowClient, model: str) -> str:
    try:
        client.get_logged_model(model)
    except MlflowException:
        raise ArtifactError(f"models:/{model}: no such model") from None
    return model


def _by_run(client: MlflowClient, run: str, name: str) -> str:
    try:
        outputs = client.get_run(run).outputs
    except MlflowException:
        raise ArtifactError(f"runs:/{run}/{name}: no such run") from None
    models = [client.get_logged_model(one.model_id) for one in outputs.model_outputs]
    for one in models:
        if one.name == name:
            return str(one.model_id)
    there = ", ".join(one.name for one in models) or "none; `cxr model register` makes one"
    raise ArtifactError(f"runs:/{run}/{name}: no such model in that run; there are {there}")


_FINDERS: dict[str, Callable[..., str]] = {
    r"models:/(m-[0-9a-f]{32})": _by_id,
    r"models:/([^/@']+)/([0-9]+)": _by_version,
    r"models:/([^/@']+)@([^/@]+)": _by_alias,
    r"runs:/([0-9a-f]+)/([^/]+)": _by_run,
}
"""By what an address looks like, what finds its model."""
