"""Trials under Ray Tune: what it runs where, ASHA, and the logbook told of all. Imported late.

Ray keeps nothing of its own here: what it would resume from is written every now and then, and
without the scheduler's comparisons. The logbook has every epoch, and a trial's snapshot every
epoch's weights, so a search that goes on is a new one for Ray, with what is left to be done, and
ASHA is told what it had been told before.
"""

import logging
import os
import shutil
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.update(
    RAY_USAGE_STATS_ENABLED="0",  # no call home
    RAY_CHDIR_TO_TRIAL_DIR="0",
    RAY_AIR_NEW_OUTPUT="0",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",  # as Ray 3 will do, without its warning
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
    TUNE_DISABLE_SIGINT_HANDLER="1",  # Ctrl-C ends a search; the same command goes on with it
    TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S="0",
)

import ray
import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from pipeline.errors import ParamsError
from pipeline.params.whole import parse_params
from pipeline.search.fits import FITS, Work, deciding
from pipeline.search.logbook import Logbook
from pipeline.search.space import SearchSpec
from pipeline.search.trials import changed
from pipeline.training.records.snapshots import Snapshots

log = logging.getLogger(__name__)

RAY = "ray"
"""Folder of what Ray writes, in the search's; nobody reads it."""

STORE_BYTES = 100 * 2**20
"""Of Ray's store of shared objects, which hardly anything is put into: images are mapped files."""

_CALL_S = 5.0
"""A cluster answers within it, or is not there."""


def run_trials(
    spec: SearchSpec,
    work: Work,
    logbook: Logbook,
    *,
    epochs: Mapping[str, int],
    address: str | None,
    tell: Callable[[str], None],
) -> None:
    """Train what is left of the trials, until all are over.

    Args:
        spec: how many at a time, with what, and how ASHA compares.
        work: what is trained.
        logbook: is told of everything that happens.
        epochs: that each trial is trained for, if it is not stopped.
        address: of a Ray cluster; None starts Ray on this machine.
        tell: called with a trial's name after each entry in the logbook.
    """
    halving = Halving(logbook, tell, epochs=epochs, asha=spec.asha.model_dump())
    names = [one.trial.name for one in logbook.left()]
    resources = {"CPU": spec.resources.cpu, "GPU": spec.resources.gpu}
    trainable = tune.with_resources(tune.with_parameters(train_trial, work=work), resources)
    shutil.rmtree(work.folder / RAY, ignore_errors=True)
    _join(address, resources)
    try:
        tune.Tuner(
            trainable,
            param_space={"known": tune.grid_search([_known(logbook, name) for name in names])},
            tune_config=tune.TuneConfig(
                scheduler=halving,
                max_concurrent_trials=spec.concurrent,
                trial_name_creator=_name_of,
                trial_dirname_creator=_name_of,
            ),
            run_config=tune.RunConfig(
                name=RAY,
                storage_path=str(work.folder),
                verbose=0,
                callbacks=[Notes(logbook, tell, work.folder)],
            ),
        ).fit()
    finally:
        ray.shutdown()


def _join(address: str | None, resources: dict[str, float]) -> None:
    """Begin or join a Ray; one of this machine alone must have what a trial asks for."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address:
        _join_cluster(address, resources, quiet)
        return
    ray.init("local", include_dashboard=False, object_store_memory=STORE_BYTES, **quiet)
    there = ray.cluster_resources()
    for name, wanted in resources.items():
        if wanted > there.get(name, 0):
            ray.shutdown()
            raise ParamsError(
                f"resources.{name.lower()}: a trial asks for {wanted:g}, and this machine has "
                f"{there.get(name, 0):g}"
            )


def _join_cluster(address: str, resources: dict[str, float], quiet: dict[str, Any]) -> None:
    try:
        _call(address)
        ray.init(address, **quiet)
    except (ValueError, RuntimeError, OSError) as error:
        raise ParamsError(
            f"--address {address}: no Ray cluster answers there ({error}); without --address the "
            "search runs on this machine"
        ) from None
    there = ray.cluster_resources()  # no error: a cluster may grow
    for name, wanted in resources.items():
        if wanted > there.get(name, 0):
            log.warning(
                "warning: resources.%s: a trial asks for %g and waits until the cluster has it; "
                "now it has %g in all",
                name.lower(),
                wanted,
                there.get(name, 0),
            )


def _call(address: str) -> None:
    """Find out whether anybody is at `host:port`: Ray itself would try for two minutes.

    Raises:
        OSError: nobody is. Of another kind of address ("auto") only Ray knows.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CALL_S).close()


def _known(logbook: Logbook, name: str) -> dict[str, Any]:
    standing = logbook.standings[name]
    return {"name": name, "changes": standing.trial.changes, "epochs": len(standing.epochs)}


def train_trial(config: dict[str, Any], work: Work) -> None:
    """Train one trial, in a process of its own: what its branch's stage would, and no outputs."""
    known = config["known"]
    os.chdir(work.root)
    torch.set_num_threads(work.threads)
    os.environ["OMP_NUM_THREADS"] = str(work.threads)  # what train.threads: auto goes by
    cfg = parse_params(changed(work.base, known["changes"]))
    started = time.monotonic()
    fit = FITS[work.branch](cfg, work.inputs)
    snapshots = Snapshots(known["name"], *deciding(cfg, work.branch), root=work.folder)
    for epoch in fit(snapshots=snapshots):
        if epoch.epoch > known["epochs"]:
            now = time.monotonic()
            tune.report(asdict(epoch) | {"took_s": now - started})
            started = time.monotonic()


class Halving(ASHAScheduler):
    """ASHA that notes what it decides, and knows what it decided before it was killed.

    Comparisons are within a rung, between all that came to it, in whatever order: told of every
    epoch of the logbook, it stands where it stood.
    """

    def __init__(
        self,
        logbook: Logbook,
        tell: Callable[[str], None],
        *,
        epochs: Mapping[str, int],
        asha: dict[str, Any],
    ) -> None:
        max_t = max(epochs.values())
        super().__init__(
            time_attr="epoch",
            metric="val_auroc",
            mode="max",
            max_t=max_t,
            grace_period=min(asha["grace"], max_t),
            reduction_factor=asha["reduction"],
        )
        self._logbook, self._tell, self._epochs = logbook, tell, epochs
        nobody: Any = None  # ASHA does not ask the controller
        for name, standing in logbook.standings.items():
            super().on_trial_add(nobody, _called(name))
            for epoch in standing.epochs:
                super().on_trial_result(nobody, _called(name), epoch)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """All of them were added, under their own names, which outlive Ray's."""

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Decide on a trial after an epoch, and note both."""
        if result.get("done"):  # the last one once more, as the trial ends
            return str(TrialScheduler.CONTINUE)
        name = _name_of(trial)
        decision = str(super().on_trial_result(tune_controller, _called(name), result))
        is_stopped = decision == TrialScheduler.STOP and result["epoch"] < self._epochs[name]
        numbers = {key: result[key] for key in NUMBERS} | {"seconds": result["took_s"]}
        self._logbook.add(name, numbers, stopped=is_stopped)
        self._tell(name)
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """It has been told of all epochs."""

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Nothing is to be forgotten."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray pickles a scheduler to resume in its own way, which is not used."""
        return {}


def _name_of(trial: Any) -> str:
    name: str = trial.config["known"]["name"]
    return name


def _reason(trial: Any) -> str:
    """The last line of what Ray has written of a failure."""
    file = Path(trial.error_file or "")
    lines = file.read_text(encoding="utf-8").strip().splitlines() if file.is_file() else []
    return lines[-1] if lines else "Ray gives no reason"


def _called(name: str) -> Any:
    """A trial as far as ASHA looks at one."""
    return SimpleNamespace(trial_id=name)


NUMBERS = ("epoch", "train_loss", "val_loss", "val_auroc", "learning_rate", "images_per_second")
"""What is kept of an epoch."""


class Notes(tune.Callback):
    """Notes where a trial begins and ends; what is over leaves no snapshots."""

    def __init__(self, logbook: Logbook, tell: Callable[[str], None], folder: Path) -> None:
        self._logbook, self._tell, self._folder = logbook, tell, folder

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        """Ray has given the trial its process."""
        name = _name_of(trial)
        self._logbook.start(name)
        self._tell(name)

    def on_trial_complete(
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Any],  # noqa: ARG002
        trial: Any,
        **info: Any,  # noqa: ARG002
    ) -> None:
        """Trained to its end, or stopped."""
        self._end(trial, "finished")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        """Failed, or its process was lost."""
        self._end(trial, "failed", _reason(trial))

    def _end(self, trial: Any, state: Any, why: str = "") -> None:
        name = _name_of(trial)
        self._logbook.end(name, state, why)
        if state != "failed":
            shutil.rmtree(self._folder / ".ckpt" / name, ignore_errors=True)
        self._tell(name)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, as for the scheduler."""
        return {}
