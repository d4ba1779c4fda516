"""How much memory there is, and how much of it an image takes while a network learns from it."""

import logging
import os
from pathlib import Path

import psutil
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from pipeline.networks.device import autocast

log = logging.getLogger(__name__)

_SHARE = 0.5  # of all memory that activations may take: gradients pass through about as many again
_CGROUP = Path("/sys/fs/cgroup")


def free_bytes(device: torch.device) -> int:
    """What this process can still take there, now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    available = int(psutil.virtual_memory().available)
    limit, used = _read_number(_CGROUP / "memory.max"), _read_number(_CGROUP / "memory.current")
    if limit is not None and used is not None:
        available = min(available, limit - used + _reclaimable())
    return available // _processes()


def total_bytes(device: torch.device) -> int:
    """This process's share of all that there is; of a container, of what it may use."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    whole = int(psutil.virtual_memory().total)
    limit = _read_number(_CGROUP / "memory.max")
    return (whole if limit is None else min(whole, limit)) // _processes()


def largest_fit(
    network: nn.Module, four: tuple[Tensor, ...], *, precision: str, at_most: int
) -> int:
    """How many images can be learnt from at a time: `at_most`, or that halved until it fits.

    Judged by how much more a forward pass of four images keeps for the way back than one of two,
    and by all memory rather than by what happens to be free: the same machine always comes to the
    same answer. At least two: BatchNorm has no statistics of one.

    Args:
        network: in any mode; it is left as it was, statistics included.
        four: inputs of four images.
        precision: of forward passes.
        at_most: images of a whole batch.
    """
    device, two = four[0].device, tuple(one[:2] for one in four)
    kept = [_kept_bytes(network, some, precision=precision) for some in (two, four)]
    each = (kept[1] - kept[0]) / 2
    micro = at_most
    while micro > 2 and micro * each > _SHARE * total_bytes(device):
        micro = (micro + 1) // 2
    if micro < at_most:
        log.info(
            "computes %d of a batch of %d images at a time: each takes %.0f MB", micro, at_most,
            each / 1e6,
        )  # fmt: skip
    return micro


def _kept_bytes(network: nn.Module, inputs: tuple[Tensor, ...], *, precision: str) -> int:
    weights = {value.untyped_storage().data_ptr() for value in network.parameters()}
    kept: dict[int, int] = {}

    def pack(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return value

    modes = {module: module.training for module in network.modules()}
    network.eval()  # BatchNorm keeps as much, and leaves its statistics alone
    with saved_tensors_hooks(pack, lambda value: value), autocast(inputs[0].device, precision):
        output = network(*inputs)
    del output
    for module, training in modes.items():
        module.training = training
    return sum(kept.values())


def _processes() -> int:
    """How many of torchrun's processes share this machine's memory."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _reclaimable() -> int:
    """Files that a container has read, and that the system forgets when memory is asked for."""
    try:
        lines = (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))


def _read_number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
