"""Logits of many images, without gradients."""

import logging
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pipeline.networks.augment import prepare
from pipeline.networks.device import autocast, settle
from pipeline.networks.rows import Rows
from pipeline.training.data.batches import gathered

log = logging.getLogger(__name__)

_BATCH = 64


def predict_logits(
    network: nn.Module,
    inputs: Sequence[Rows],
    *,
    precision: str,
    rows: Int[Tensor, " n"] | None = None,
) -> Float[Tensor, "n f"]:
    """Logits of all inputs, or of some `rows`, on the CPU.

    The network moves to the default device and is put in eval mode.
    """
    device = settle(network)
    network.eval()
    wanted = torch.arange(len(inputs[0])) if rows is None else rows
    size = _BATCH
    while True:
        try:
            return _logits(network, inputs, wanted.split(size), device, precision)
        except torch.OutOfMemoryError:
            if size == 1:
                raise
        size //= 2
        log.warning("out of memory: looks at %d images at a time", size)


@torch.inference_mode()
def _logits(
    network: nn.Module,
    inputs: Sequence[Rows],
    batches: Sequence[Int[Tensor, " _"]],
    device: torch.device,
    precision: str,
) -> Float[Tensor, "n f"]:
    logits = []
    for batch in gathered(inputs, batches, device):
        with autocast(device, precision):
            logits.append(network(*prepare(batch)).float())
    return torch.cat(logits).cpu()
