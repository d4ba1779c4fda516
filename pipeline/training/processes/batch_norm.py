"""Batch normalisation over the images of all ranks, for every network that is trained.

PyTorch's `SyncBatchNorm` computes on GPUs only and replaces modules; this takes the place of the
operation, so that the same code is tested where there is no GPU and timm's own layers are covered.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from pipeline.training.processes.distributed import World


class _SumOverRanks(torch.autograd.Function):
    """The sum over ranks; so is its gradient, since every rank's loss depends on it."""

    @staticmethod
    def forward(ctx: FunctionCtx, value: Tensor) -> Tensor:  # noqa: ARG004
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:  # noqa: ARG004
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def synced_batch_norm(
    images: Float[Tensor, "b c ..."],
    running_mean: Float[Tensor, " c"] | None,
    running_var: Float[Tensor, " c"] | None,
    *,
    weight: Float[Tensor, " c"] | None,
    bias: Float[Tensor, " c"] | None,
    momentum: float,
    eps: float,
) -> Float[Tensor, "b c ..."]:
    """`functional.batch_norm` in training, its statistics those of all ranks' images.

    Ioffe and Szegedy (arXiv:1502.03167, Algorithm 1); in fp32, as PyTorch computes it.
    """
    others = [axis for axis in range(images.ndim) if axis != 1]
    shape = [1, -1] + [1] * (images.ndim - 2)
    values = images.float()
    count = values.new_full((1,), values.numel() / values.shape[1])
    sums = _SumOverRanks.apply(torch.cat([values.sum(others), count]))
    mean = sums[:-1] / sums[-1]
    centred = values - mean.view(shape)
    var = _SumOverRanks.apply(centred.square().sum(others)) / sums[-1]
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            unbiased = var * (sums[-1] / (sums[-1] - 1))
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    normed = centred * (var + eps).rsqrt().view(shape)
    if weight is not None and bias is not None:
        normed = normed * weight.view(shape) + bias.view(shape)
    out: Tensor = normed.to(images.dtype)
    return out


class _OverRanks(TorchFunctionMode):
    """Puts `synced_batch_norm` in the place of PyTorch's wherever statistics are taken."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Called for every function of PyTorch."""
        given = dict(kwargs or {})
        if func is functional.batch_norm and given.pop("training", False):
            return synced_batch_norm(*args[:3], **given)
        return func(*args, **(kwargs or {}))


def statistics_of(world: World) -> AbstractContextManager[object]:
    """The context in which BatchNorm sees the images of all ranks, not of one."""
    return nullcontext() if world.size == 1 else _OverRanks()
