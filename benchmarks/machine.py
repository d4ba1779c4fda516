"""What figures were measured on."""

import os
import platform
from pathlib import Path

import torch

from pipeline.base.cores import cores
from pipeline.networks.device import default_device, resolve_precision


def describe_machine() -> dict[str, str]:
    """Processor, GPU, PyTorch: what must be said beside a figure."""
    device = default_device()
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else "none"
    return {
        "processor": f"{cores()} cores of {_processor()}",
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


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
