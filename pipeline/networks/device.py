"""Where networks run."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.networks.readouts.precision import full_precision

log = logging.getLogger(__name__)

_HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def default_device() -> torch.device:
    """This process's CUDA GPU if there is one, else the CPU; why not another GPU is logged."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    _tell_once(why_cpu(mps=torch.backends.mps.is_available))
    return torch.device("cpu")


def why_cpu(*, mps: Callable[[], bool]) -> str | None:
    """Why a GPU that is there is not used; None where there is no other than CUDA's.

    Args:
        mps: whether PyTorch can compute on an Apple GPU.
    """
    if not mps():
        return None
    return (
        "an Apple GPU (MPS) is there and is not used: no result of this project has been checked "
        "on one; computes on the CPU"
    )


@cache
def _tell_once(reason: str | None) -> None:
    if reason:
        log.warning("%s", reason)


def settle(network: nn.Module) -> torch.device:
    """Move `network` to the default device, in the memory layout that convolutions like best.

    On a CPU its depthwise convolutions compute in fp32 from then on, whatever is autocast around
    them: oneDNN has no fast gradient of a strided one in bf16, nor of the weights of one of 5 x 5.
    """
    device = default_device()
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if device.type == "cpu":
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels:
                inner = partial(type(layer).forward, layer)
                layer.forward = partial(_in_fp32, inner)  # type: ignore[method-assign]
    return device


def _in_fp32(
    forward: Callable[[Tensor], Tensor], maps: Float[Tensor, "b k h w"]
) -> Float[Tensor, "b k i j"]:
    if not torch.is_autocast_enabled("cpu"):
        return forward(maps)
    with full_precision(maps):
        return forward(maps.float()).to(torch.get_autocast_dtype("cpu"))


def resolve_precision(device: torch.device, precision: str) -> str:
    """What `precision` means on this hardware: "fp32", "bf16" or "fp16".

    "auto" is bf16 where the hardware computes in it, else fp16 on GPUs that are fast at that;
    what is not the hardware's own is emulated, correct and slow.
    """
    if precision != "auto":
        return precision
    if _computes_in_bf16(device):
        return "bf16"
    return "fp16" if _computes_in_fp16(device) else "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a forward pass computes with `precision`, or what it means here."""
    meant = resolve_precision(device, precision)
    return torch.autocast(device.type, _HALVES.get(meant), enabled=meant in _HALVES)


def exact(device: torch.device) -> AbstractContextManager[object]:
    """The context in which fp32 is fp32: a GPU's convolutions keep off TF32, its default.

    TF32 has 10 bits of fraction, as fp16, whatever it is stored in.
    """
    if device.type != "cuda":
        return nullcontext()
    cudnn = torch.backends.cudnn
    flags: AbstractContextManager[object] = cudnn.flags(
        enabled=True,
        benchmark=cudnn.benchmark,
        deterministic=cudnn.deterministic,
        allow_tf32=False,
    )
    return flags


def _computes_in_fp16(device: torch.device) -> bool:
    return device.type == "cuda" and bool(torch.cuda.get_device_capability(device) >= (7, 0))


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
