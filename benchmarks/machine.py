"""What figures were measured on."""

import os
from pathlib import Path

import torch

from pipeline.networks.device import default_device, resolve_precision
from pipeline.tracking.machine import processor


def describe_machine() -> dict[str, str]:
    """Processor, GPU, PyTorch: what must be said beside a figure."""
    device = default_device()
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else "none"
    return {
        "processor": processor(),
        "gpu": gpu,
        "precision": resolve_precision(device, "auto"),
        "torch": torch.__version__,
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def most_resident() -> int:
    """Bytes that this process had at most.

    Not `ru_maxrss`, which a process inherits from the one that started it.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def wait_for_device() -> None:
    """Until all that was asked of the GPU is done; a CPU has done it."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
