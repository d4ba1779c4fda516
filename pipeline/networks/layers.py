"""The layers of a branch at which heatmaps can be read."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from pipeline.errors import ParamsError
from pipeline.grid import Grid
from pipeline.networks.branch import Branch
from pipeline.networks.receptive_field import measure_layers
from pipeline.networks.timm_backbone import TimmFeatures

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
    and so is a number that its cells already keep to.

    Raises:
        ParamsError: none of its stages has cells so small.
    """
    size = branch.spec.input_size
    image = branch.mean.new_zeros(1, branch.mean.shape[1], size, size)
    final, *inner = measure_layers(branch.features, image, stages(branch))
    most = size if cells == LAST else cells
    if size / final.shape[-1] <= most:
        return Layer(None, _shape(final.shape), branch.grid)
    for found in reversed(inner):
        if size / found.shape[-1] <= most:
            return Layer(found.module, _shape(found.shape), found.grid)
    finest = min((size / found.shape[-1] for found in [final, *inner]), default=size)
    raise ParamsError(
        f"heatmap.layer: {branch.spec.backbone} has no stage with cells of at most {cells} pixels "
        f"of its input of {size}; its finest have {finest:g}. Use last"
    )


def stages(branch: Branch) -> list[nn.Module]:
    """The parts of the features that run one after the other."""
    features = branch.features
    if not isinstance(features, TimmFeatures):
        return list(branch.blocks)
    named = dict(features.network.named_modules())
    listed = getattr(features.network, "feature_info", None) or []
    return [named[one["module"]] for one in listed if one.get("module") in named]


def _shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    _, channels, height, width = shape
    return channels, height, width
