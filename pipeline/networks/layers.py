"""The layers of a branch at which heatmaps can be read."""

import logging
from dataclasses import dataclass
from typing import Literal

from torch import nn

from pipeline.base.grid import Grid
from pipeline.networks.backbones.pyramid import Pyramid
from pipeline.networks.backbones.receptive_field import Measured, measure_layers
from pipeline.networks.backbones.timm_backbone import TimmFeatures
from pipeline.networks.branch import Branch

log = logging.getLogger(__name__)

LAST: Literal["last"] = "last"


@dataclass(frozen=True)
class Layer:
    """A layer, and where its cells look."""

    module: nn.Module | None
    """Whose output is meant; None: the feature maps that the branch's readout reads."""
    shape: tuple[int, int, int]
    """Channels, height and width of its maps."""
    grid: Grid


def find_layer(branch: Branch, cells: Literal["last"] | int) -> Layer:
    """The last layer of `branch` with cells of at most `cells` pixels of its input.

    Candidates are its stages: what stands between two strides. "last" is what the readout reads,
    and so is a number that its cells already keep to. Where no stage has cells so small (the
    grid of a CapsNet or a transformer is its own) it is the one that has the smallest, and the
    log says so.
    """
    size = branch.spec.input_size
    image = branch.mean.new_zeros(1, branch.mean.shape[1], size, size)
    final, *inner = measure_layers(branch.features, image, stages(branch))
    most = size if cells == LAST else cells
    if size / final.shape[-1] <= most:
        return Layer(None, _shape(final), branch.grid)
    for found in reversed(inner):
        if size / found.shape[-1] <= most:
            return Layer(found.module, _shape(found), found.grid)
    finest = max([final, *inner], key=lambda found: found.shape[-1])
    log.warning(
        "%s has no stage to show with cells of at most %d of %d pixels; its finest have %g",
        branch.spec.backbone, most, size, size / finest.shape[-1],
    )  # fmt: skip
    return Layer(None if finest is final else finest.module, _shape(finest), finest.grid)


def stages(branch: Branch) -> list[nn.Module]:
    """The parts of the features that run one after the other."""
    features = branch.features
    whole = features.bottom_up if isinstance(features, Pyramid) else features
    if isinstance(whole, TimmFeatures):
        return whole.stage_modules()
    return list(branch.blocks)


def _shape(found: Measured) -> tuple[int, int, int]:
    _, channels, height, width = found.shape
    return channels, height, width
