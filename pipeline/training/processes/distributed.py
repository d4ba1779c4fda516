"""Several processes, each with a device, that train one network: torchrun's ranks.

Every rank draws the same batches and takes its part of each, so that a training is the same
however many share it. Where there is no torchrun, a world of one does nothing.
"""

import logging
import os
import sys
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """Who shares a training, and which of them this process is."""

    rank: int
    size: int

    def part(self, rows: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "p ..."]:
        """This rank's share of rows, in order: all of them in a world of one."""
        return rows.tensor_split(self.size)[self.rank]

    def agree(self, value: T) -> T:
        """What the first rank says, for all."""
        if self.size == 1:
            return value
        said: list[Any] = [value]
        dist.broadcast_object_list(said, src=0)
        first: T = said[0]
        return first

    def total(self, value: Tensor) -> Tensor:
        """The sum over ranks."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def joined(self, part: Float[Tensor, "p f"]) -> Float[Tensor, "b f"]:
        """All ranks' parts, one behind the other, for all of them."""
        if self.size == 1:
            return part
        parts: list[Any] = [None] * self.size
        dist.all_gather_object(parts, part)
        return torch.cat(parts)


def join() -> World:
    """The world that torchrun has started this process in, or one of its own.

    Each process takes the GPU of its number, if there are GPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World(0, 1)
    if not dist.is_initialized():
        place = int(os.environ["LOCAL_RANK"])
        if torch.cuda.is_available():
            torch.cuda.set_device(place)
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        log.info("%d processes share each batch", size)
    return World(dist.get_rank(), size)


def leave() -> None:
    """End every rank but the first: what comes now is for one process."""
    if dist.is_initialized():  # not where there was nothing to train
        dist.barrier()
        dist.destroy_process_group()
    if os.environ.get("RANK", "0") != "0":
        sys.exit(0)


def parallel(network: nn.Module, world: World) -> nn.Module:
    """`network`, its gradients averaged over ranks as they are computed."""
    if world.size == 1:
        return network
    # Buffers are alike without being sent: statistics are of all ranks' images together.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PyTorch 2.15 renames the option
        return DistributedDataParallel(network, broadcast_buffers=False)


def unsent(network: nn.Module) -> AbstractContextManager[None]:
    """The context in which gradients of a `parallel` network add up without being exchanged."""
    is_parallel = isinstance(network, DistributedDataParallel)
    return network.no_sync() if is_parallel else nullcontext()  # type: ignore[operator]
