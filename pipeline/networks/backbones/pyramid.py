"""A finer grid with the sight of the coarse one: a top-down pathway over a backbone's stages."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.base.grid import Grid
from pipeline.errors import ParamsError
from pipeline.networks.backbones.backbone import Backbone
from pipeline.networks.backbones.receptive_field import Measured, measure_layers
from pipeline.networks.backbones.timm_backbone import TimmFeatures

WIDTH = 256
"""Channels of every level, as its authors have them (arXiv:1612.03144, Sec. 3)."""


class Pyramid(nn.Module):
    """Coarse maps brought to finer places, level by level, and added to what is seen there.

    A feature pyramid (arXiv:1612.03144, Sec. 3) of which the finest level alone is kept, as PYLON
    does for heatmaps of image labels (arXiv:2010.11475, Sec. 3.2): each cell there knows what the
    deepest layer says of its surroundings, and has the edges of a shallow one.
    """

    def __init__(self, bottom_up: nn.Module, levels: dict[int, Measured]) -> None:
        """The levels' places are in what `passed` gives of `bottom_up`, finest first."""
        super().__init__()
        self.bottom_up = bottom_up
        self._levels = tuple(levels)
        coarser = [*list(levels.values())[1:], None]
        self.top_down = nn.ModuleList(map(_Level, levels.values(), coarser))

    def forward(self, images: Float[Tensor, "b c s t"]) -> Float[Tensor, "b k h w"]:
        """Maps of the finest level, before a last ReLU."""
        through = passed(self.bottom_up, images)
        seen = [through[place] for place in self._levels]
        maps: Tensor | None = None
        for level, own in zip(reversed(self.top_down), reversed(seen), strict=True):
            maps = level(own, maps)
        assert maps is not None
        return maps


def passed(bottom_up: nn.Module, images: Float[Tensor, "b c s t"]) -> list[Tensor]:
    """What images are made into on their way through a backbone: after each block or stage."""
    if isinstance(bottom_up, TimmFeatures):
        return bottom_up.stage_maps(images)
    maps = []
    for block in bottom_up.children():
        images = block(images)
        maps.append(images)
    return maps


class _Level(nn.Module):
    """A stage's maps and those of the level above, brought to the stage's places."""

    def __init__(self, here: Measured, above: Measured | None) -> None:
        super().__init__()
        self.lateral = nn.Conv2d(here.shape[1], WIDTH, kernel_size=1)
        self.smooth = nn.Conv2d(WIDTH, WIDTH, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(WIDTH)
        resampling = torch.empty(0) if above is None else _resampling(above, here)
        self.register_buffer("resampling", resampling, persistent=False)
        self.resampling: Tensor

    def forward(
        self, own: Float[Tensor, "b c h w"], above: Float[Tensor, "b k i j"] | None
    ) -> Float[Tensor, "b k h w"]:
        maps: Tensor = self.lateral(own)
        if above is not None:
            resampling = self.resampling.to(above.dtype)
            maps = maps + resampling @ torch.relu(above) @ resampling.T
        smoothed: Tensor = self.norm(self.smooth(maps))
        return smoothed


def _resampling(old: Measured, new: Measured) -> Float[Tensor, "{new.shape[-1]} {old.shape[-1]}"]:
    """The matrix that brings a column of cells to other places: bilinear, by where cells look.

    A product, because a GPU has no deterministic gradient of the resampling itself.
    """
    count = old.shape[-1]
    looks = new.grid.first + new.grid.step * torch.arange(new.shape[-1], dtype=torch.float64)
    places = ((looks - old.grid.first) / old.grid.step).clamp(0, count - 1)
    distance = (places[:, None] - torch.arange(count)).abs()
    return (1 - distance).clamp_min(0).float()


def with_pyramid(
    backbone: Backbone, image: Float[Tensor, "1 c s s"], cells: int, *, name: str
) -> tuple[Backbone, Grid]:
    """The backbone with a pyramid above it, and where the cells of its maps look.

    The pyramid's own layers are one more block, the last one.

    Args:
        backbone: whose blocks run one after the other.
        image: of the input's size.
        cells: most input pixels per cell of the finest level.
        name: of the backbone in params.yaml.

    Raises:
        ParamsError: it has no stages (a CapsNet, a transformer), or none with such cells.
    """
    features = backbone.features
    parts = _parts(backbone)
    if len(parts) < 2:
        raise ParamsError(
            f"pyramid: {name} has no stages that one could stand on; take another "
            "backbone, or say 0"
        )
    stages = _stages(features, image, parts)
    fine = [one for one in stages if image.shape[-1] / one.shape[-1] <= cells]
    if not fine:
        raise ParamsError(f"pyramid: {name} has no stage with cells of {cells} pixels")
    used = stages[stages.index(fine[-1]) :]
    pyramid = Pyramid(features, {parts.index(one.module): one for one in used})
    whole = replace(
        backbone, features=pyramid, blocks=(*backbone.blocks, pyramid.top_down), channels=WIDTH
    )
    return whole, fine[-1].grid


def _parts(backbone: Backbone) -> list[nn.Module]:
    """The modules whose outputs `passed` gives; none of features that have no such parts."""
    features = backbone.features
    if isinstance(features, TimmFeatures):
        return [*features.stage_modules(), features] if features.has_stage_maps else []
    return list(features) if isinstance(features, nn.Sequential) and backbone.blocks[1:] else []


def _stages(
    features: nn.Module, image: Float[Tensor, "1 c s s"], parts: list[nn.Module]
) -> list[Measured]:
    """The last part of each size of maps, finest first."""
    final, *inner = measure_layers(features, image, [one for one in parts if one is not features])
    ends = [final] if features in parts else []
    last = {one.shape[-1]: one for one in [*inner, *ends]}
    return sorted(last.values(), key=lambda one: -one.shape[-1])
