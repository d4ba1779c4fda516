"""What training stages share beside `options`: snapshots, and processes that train together."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from pipeline import tracking
from pipeline.base.cores import cores
from pipeline.errors import ParamsError
from pipeline.params.sections import Section
from pipeline.params.whole import load_params
from pipeline.training.processes.distributed import leave
from pipeline.training.records.kept import numbers_of_kept
from pipeline.training.records.snapshots import Snapshots
from pipeline.training.state import Epoch
from stages.options import run

_PR_SET_PDEATHSIG = 1  # of linux/prctl.h

_INDIFFERENT = {"device_cache", "devices", "flip_at_predict"}
"""Params with which a training comes to the same weights; of processes, a snapshot knows."""


def snapshots_of(stage: str, member: str, *params: Section) -> Snapshots:
    """Where the training of a stage stands, under these params; told to the stage's tracking."""
    about = [one.model_dump(exclude=_INDIFFERENT) for one in params]
    return Snapshots(
        f"{stage}/{member}", *about, run=tracking.run_id(), resumed=tracking.go_on_with
    )


def follow_training(
    fit: Callable[..., Iterator[Epoch]],
    snapshots: Snapshots,
    *,
    label: str,
    epochs: int,
    keep: str,
) -> list[Epoch]:
    """Train, kept by snapshots, shown and tracked; what comes after it is for one process.

    Args:
        fit: takes the keywords `snapshots` and `watch`.
        snapshots: to be finished when the stage has written its outputs.
        label: what is trained.
        epochs: how many are expected.
        keep: the rule by which one of them is kept; tracking is told which, and of other rules.
    """
    shown = tracking.Shown(label, epochs=epochs)
    records = fit(snapshots=snapshots, watch=shown.batches)
    followed = list(tracking.follow(records, shown))
    leave()
    network = label.partition(" ")[0]
    tracking.log_metrics(numbers_of_kept(followed, keep), group=f"kept/{network}")
    return followed


def run_training(main: Callable[..., Any]) -> None:
    """Run a training stage's `main` as a command, in as many processes as `train.devices` says.

    Started by torchrun, it is one of its processes, whatever the params say.
    """
    run(main, before=_share_with_other_devices)


def _share_with_other_devices() -> None:
    if "RANK" in os.environ:
        _die_with_parent()
    elif "--help" not in sys.argv and (devices := _devices(sys.argv)) > 1:
        _become_torchrun(devices)


def _devices(argv: list[str]) -> int:
    path = Path(tracking.options(argv[1:]).get("params", "params.yaml"))
    devices = load_params(path).train.devices
    if torch.cuda.is_available() and devices > torch.cuda.device_count():
        raise ParamsError(
            f"train.devices: {devices}, but this machine has {torch.cuda.device_count()} GPUs"
        )
    return devices


def _die_with_parent() -> None:
    """A torchrun that is killed outright cannot stop its processes: the system does (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _become_torchrun(devices: int) -> None:
    """Let torchrun take this process's place, so that whoever stops it stops all of them."""
    threads = str(max(cores() // devices, 1))
    os.environ.setdefault("OMP_NUM_THREADS", threads)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    stage = f"stages.{Path(sys.argv[0]).stem}"
    words = [*torchrun, f"--nproc-per-node={devices}", "-m", stage, *sys.argv[1:]]
    os.execv(sys.executable, words)
