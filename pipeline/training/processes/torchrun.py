"""A training stage in as many processes as `train.devices` says: it becomes torchrun."""

import os
import sys
from pathlib import Path

import torch

from pipeline import tracking
from pipeline.base.cores import cores
from pipeline.errors import ParamsError
from pipeline.params.whole import load_params


def share_with_other_devices() -> None:
    """Let torchrun take this process's place if other devices are to train with it.

    Started by torchrun, it is one of its processes, whatever the params say.
    """
    if "RANK" in os.environ or "--help" in sys.argv:
        return
    if (devices := _devices(sys.argv)) > 1:
        _become_torchrun(devices)


def _devices(argv: list[str]) -> int:
    path = Path(tracking.options(argv[1:]).get("params", "params.yaml"))
    devices = load_params(path).train.devices
    if torch.cuda.is_available() and devices > torch.cuda.device_count():
        raise ParamsError(
            f"train.devices: {devices}, but this machine has {torch.cuda.device_count()} GPUs"
        )
    return devices


def _become_torchrun(devices: int) -> None:
    """Let torchrun take this process's place, so that whoever stops it stops all of them."""
    threads = str(max(cores() // devices, 1))
    os.environ.setdefault("OMP_NUM_THREADS", threads)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    stage = f"stages.{Path(sys.argv[0]).stem}"
    words = [*torchrun, f"--nproc-per-node={devices}", "-m", stage, *sys.argv[1:]]
    os.execv(sys.executable, words)
