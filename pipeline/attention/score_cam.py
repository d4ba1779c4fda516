"""Score-CAM (arXiv:1910.01279): channels weighed by what the network says of what they show."""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.attention.look import Look
from pipeline.base.grid import Grid

CHANNELS = 64
"""Channels that are tried, a forward pass each: those of greatest variance over the cells (Faster
Score-CAM). All of 1,024 would be 1,024 forward passes for each image."""

_FORWARD = 64  # masked images per forward pass


def scorecam(looked: Look, *, channels: int = CHANNELS) -> Float[Tensor, "b f h w"]:
    """`ReLU(sum_k alpha_k A_k)`, alpha the softmax over channels of the masked images' logits.

    An image is masked by the channel's map, scaled to [0, 1] and drawn on the image where its
    cells look (Eqs. 5 to 7), after normalisation: what is masked out becomes the mean grey, not
    black. A constant map shows nothing.
    """
    with torch.no_grad():
        inputs = looked.branch.normalised(looked.images)
        return torch.stack(
            [
                _map(looked, one, maps, channels)
                for one, maps in zip(inputs, looked.maps, strict=True)
            ]
        )


def _map(
    looked: Look, image: Float[Tensor, "c s s"], maps: Float[Tensor, "k h w"], channels: int
) -> Float[Tensor, "f h w"]:
    tried = maps.flatten(1).var(dim=1).topk(min(channels, len(maps))).indices
    masks = _masks(maps[tried], looked.layer.grid, side=image.shape[-1])
    logits = [
        looked.branch.logits(looked.branch.readout(looked.branch.maps_of(image * part)))
        for part in masks.split(_FORWARD)
    ]
    alpha = torch.cat(logits).softmax(dim=0)
    return torch.einsum("kf,khw->fhw", alpha, maps[tried]).relu()


def _masks(
    maps: Float[Tensor, "k h w"], grid: Grid, *, side: int
) -> Float[Tensor, "k 1 {side} {side}"]:
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    scaled = torch.where(high > low, (maps - low) / (high - low), 0)
    down, across = (_drawing(cells, grid, side).to(maps) for cells in maps.shape[1:])
    return (down @ scaled @ across.T).unsqueeze(1)


def _drawing(cells: int, grid: Grid, side: int) -> Float[Tensor, "{side} {cells}"]:
    """How much of each cell is in each pixel of a row: as `draw_on_image`, by a product."""
    centres = (torch.arange(side, dtype=torch.float64) + 0.5) / side
    places = ((centres - grid.first) / grid.step).clamp(0, cells - 1)
    return (1 - (places[:, None] - torch.arange(cells)).abs()).clamp(min=0)
