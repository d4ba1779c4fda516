"""A packaged model as a version in MLflow's registry, with the run that it came from."""

import getpass
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow.entities import LoggedModel, LoggedModelOutput, Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from pipeline.predict.about.description import (
    NOTE,
    Description,
    read_backbones,
    read_description,
)
from pipeline.predict.card import USE, model_card
from pipeline.predict.package import digest_of, export_package
from pipeline.tracking.origin import flatten
from pipeline.tracking.registry.flavour import save_as_pyfunc
from pipeline.tracking.registry.model_names import PACKAGE
from pipeline.tracking.store import Store

DIGEST = "digest"
"""Tag of a version: SHA-256 of the model that it is."""

_MOST_PACKAGE_RUNS = 20
"""Runs of the stage `package` that are looked through, the newest first."""


@dataclass(frozen=True)
class Version:
    """A version in the registry."""

    uri: str
    """`models:/name/version`."""
    is_new: bool
    """Whether it was not there before."""


def register(folder: Path, name: str, *, revision: str | None, store: Store, uri: str) -> Version:
    """Make a packaged model a version of a registered model, unless it is one already.

    Args:
        folder: `data/models`, or an export.
        name: of the registered model, which is made where there is none.
        revision: of git, that the version names.
        store: where.
        uri: of the store, as MLflow is told it.

    Raises:
        ArtifactError: the folder is no whole packaged model.
        MlflowException: the store refuses it; then it is as it was.
    """
    digest = digest_of(folder)
    known = store.client.search_model_versions(f"name = '{name}' and tags.{DIGEST} = '{digest}'")
    if known:
        return Version(f"models:/{name}/{max(int(one.version) for one in known)}", is_new=False)
    about = read_description(folder).model_copy(update={"revision": revision})
    tags = {DIGEST: digest} | _tags_of(about)
    with _logged(folder, name, about, tags, store) as model, _global_store(uri):
        with suppress(MlflowException):  # it is there
            store.client.create_registered_model(name, description=" ".join(USE))
        made = store.client.create_model_version(
            name,
            f"models:/{model.model_id}",
            run_id=model.source_run_id,
            tags=tags,
            description=model_card(about, read_backbones(folder, about)),
            model_id=model.model_id,
        )
        versions = json.dumps([{"name": name, "version": made.version}])
        store.client.set_logged_model_tags(model.model_id, {"mlflow.modelVersions": versions})
    return Version(f"models:/{name}/{made.version}", is_new=True)


def _tags_of(about: Description) -> dict[str, str]:
    """What a list of versions shows of each."""
    tags = {} if about.revision is None else {"revision": about.revision}
    if about.mean is None:
        return tags
    low, high = about.mean.low, about.mean.high
    interval = "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"
    return tags | {"mean AUROC": f"{about.mean.auroc:.3f}{interval}"}


@contextmanager
def _logged(
    folder: Path, name: str, about: Description, tags: dict[str, str], store: Store
) -> Iterator[LoggedModel]:
    """The model with its files, and a run that has its figures; neither, if the block fails."""
    client, run = store.client, _begin_run(name, about, store)
    model = client.create_logged_model(store.experiment, name, run, tags, _params_of(about))
    try:
        client.log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])
        store.log(run, params=_params_of(about))
        now_ms = time.time_ns() // 1_000_000
        scores = _scores_of(about)
        client.log_batch(
            run, [Metric(key, n, now_ms, 0, model.model_id) for key, n in scores.items()]
        )
        _upload(folder, about, run, model, store)
        client.finalize_logged_model(model.model_id, "READY")
        yield model
    except BaseException:
        client.delete_logged_model(model.model_id)
        client.delete_run(run)
        raise
    client.set_terminated(run)


def _begin_run(name: str, about: Description, store: Store) -> str:
    tags = {"mlflow.user": getpass.getuser(), "mlflow.source.name": "cxr model register"}
    maker = _maker_of(about, store)
    if maker:
        tags["mlflow.parentRunId"] = maker.data.tags["mlflow.parentRunId"]
    if about.revision:
        tags["revision"] = about.revision
    run = store.client.create_run(store.experiment, tags=tags, run_name=f"register {name}")
    return str(run.info.run_id)


def _maker_of(about: Description, store: Store) -> Run | None:
    """The latest run of the stage `package` that wrote this description, if it was tracked."""
    runs = store.client.search_runs(
        [store.experiment],
        "tags.stage = 'package'",
        order_by=["attributes.start_time DESC"],
        max_results=_MOST_PACKAGE_RUNS,
    )
    return next((run for run in runs if _wrote(run, about, store)), None)


def _wrote(run: Run, about: Description, store: Store) -> bool:
    with TemporaryDirectory() as folder, suppress(Exception):  # it has none, or an older one
        store.client.download_artifacts(run.info.run_id, NOTE, folder)
        found = read_description(Path(folder))
        return found == about.model_copy(update={"revision": None})
    return False


def _upload(folder: Path, about: Description, run: str, model: LoggedModel, store: Store) -> None:
    with TemporaryDirectory() as temporary:
        package, saved = Path(temporary) / Path(PACKAGE).name, Path(temporary) / "saved"
        export_package(folder, package, revision=about.revision)
        known = Model(model.artifact_location, run, model_uuid=model.model_id)
        known.model_id = model.model_id
        save_as_pyfunc(package, saved, members=about.members, model=known)
        store.client.log_model_artifacts(model.model_id, str(saved))


def _params_of(about: Description) -> dict[str, str]:
    """What the networks were trained with, and how they vote, under dotted names."""
    own = {"vote": about.vote, "members": " ".join(about.members)}
    return own | {name: str(leaf) for name, leaf in flatten(about.params).items()}


def _scores_of(about: Description) -> dict[str, float]:
    """On test images: the mean AUROC with its interval, and each finding's."""
    scores = {f"auroc/{finding}": score.auroc for finding, score in about.scores.items()}
    if about.mean:
        ends = {"mean_auroc_low": about.mean.low, "mean_auroc_high": about.mean.high}
        scores |= {"mean_auroc": about.mean.auroc}
        scores |= {key: value for key, value in ends.items() if value is not None}
    return scores


@contextmanager
def _global_store(uri: str) -> Iterator[None]:
    """MLflow looks for a version's files in the process's store, whatever its client was told."""
    before = {name: value for name, value in os.environ.items() if name == "MLFLOW_TRACKING_URI"}
    mlflow.set_tracking_uri(uri)  # which changes the environment, too
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)
        os.environ.update(before)
