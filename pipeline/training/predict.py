"""Logits of many images, without gradients."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pipeline.networks.device import autocast, settle
from pipeline.training.augment import prepare
from pipeline.training.batches import gathered
from pipeline.training.rows import Rows

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
    logits = []
    with torch.inference_mode():
        for batch in gathered(inputs, wanted.split(_BATCH), device):
            with autocast(device, precision):
                logits.append(network(*prepare(batch)).float())
        return torch.cat(logits).cpu()
