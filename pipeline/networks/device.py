"""Where networks run."""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn


def default_device() -> torch.device:
    """The first GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def settle(network: nn.Module) -> torch.device:
    """Move `network` to the default device, in the memory layout that convolutions like best."""
    device = default_device()
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return device


def resolve_precision(device: torch.device, precision: str) -> str:
    """What `precision` means on this hardware: "fp32" or "bf16".

    "auto" is bf16 where the hardware computes in it; elsewhere bf16 is emulated, correct and
    slow.
    """
    if precision == "auto":
        return "bf16" if _computes_in_bf16(device) else "fp32"
    return precision


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a forward pass computes with `precision`, or what it means here."""
    is_bf16 = resolve_precision(device, precision) == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=is_bf16)


def full_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """The context in which no operation on `tensor`'s device is autocast."""
    kind = tensor.device.type
    return nullcontext() if kind == "meta" else torch.autocast(kind, enabled=False)


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.get_device_capability(device) >= (8, 0))
    return "avx512_bf16" in _cpu_flags() or "amx_bf16" in _cpu_flags()


@cache
def _cpu_flags() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    flags = (line.split(":", 1)[1] for line in text.splitlines() if line.startswith("flags"))
    return frozenset(next(flags, "").split())
