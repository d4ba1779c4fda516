"""Where the cells of a network's feature maps look, from its layers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.base.grid import Grid, tiles
from pipeline.networks.backbones.dilation import DilatedAverage


@dataclass
class _Walk:
    """Receptive-field arithmetic along the layers as they are executed."""

    size: int
    """Side of the maps that the next layer must take; others lie beside the main path."""
    step: float = 1.0
    """Pixels of the input between neighbouring cells."""
    centre: float = 0.0
    """Pixel of the input at the centre of the first cell."""
    hooks: list[Any] = field(default_factory=list)

    def see(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        taken = inputs[0].shape[-1] - getattr(layer, "widened", 0)
        given = output.shape[-1]
        if taken != self.size:
            return
        shift, factor = _geometry(layer, taken, given)
        self.centre += shift * self.step
        self.step *= factor
        self.size = given

    def grid(self, maps: Tensor, side: int) -> Grid:
        """Where the cells of `maps` look, which the layers so far have made of `side` pixels."""
        cells = maps.shape[-1]
        grid = Grid(first=(self.centre + 0.5) / side, step=self.step / side)
        return grid if self.size == cells and _is_plausible(grid, cells) else tiles(cells)


_LAYERS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, DilatedAverage)


@dataclass(frozen=True)
class Measured:
    """The output of a module."""

    module: nn.Module
    shape: tuple[int, ...]
    grid: Grid
    """Where its cells look."""


def measure_grid(features: nn.Module, images: Tensor) -> tuple[Tensor, Grid]:
    """Feature maps of square `images`, and where their cells look.

    By the arithmetic of receptive fields (Araujo et al., Distill 2019) along the layers that run.
    Where those do not explain the maps (a transformer's, which have one layer and then tokens;
    padding that a layer works out for itself), cells are taken for equal tiles.
    """
    maps, (final, *_) = _walk(features, images, [])
    return maps, final.grid


def measure_layers(
    features: nn.Module, images: Tensor, modules: Sequence[nn.Module]
) -> list[Measured]:
    """What `measure_grid` says of `features`, and then of those `modules` within that have maps.

    In the order in which they run; what is not run, or has no square maps, is left out.
    """
    return _walk(features, images, modules)[1]


def _walk(
    features: nn.Module, images: Tensor, modules: Sequence[nn.Module]
) -> tuple[Tensor, list[Measured]]:
    side = images.shape[-1]
    walk = _Walk(side)
    passed: list[Measured] = []

    def pass_by(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and _is_square(output):
            passed.append(Measured(module, tuple(output.shape), walk.grid(output, side)))

    for layer in features.modules():
        if isinstance(layer, _LAYERS) and not _squeezes(layer):
            walk.hooks.append(layer.register_forward_hook(walk.see))
    walk.hooks += [module.register_forward_hook(pass_by) for module in modules]
    was_training = features.training
    with torch.no_grad():
        maps: Tensor = features.eval()(images)
    features.train(was_training)
    for hook in walk.hooks:
        hook.remove()
    return maps, [Measured(features, tuple(maps.shape), walk.grid(maps, side)), *passed]


def _is_square(maps: Tensor) -> bool:
    return maps.shape[-1] == maps.shape[-2]


def _is_plausible(grid: Grid, cells: int) -> bool:
    """Whether the middle of all cells is, to half a cell, that of the image."""
    middle = grid.first + grid.step * (cells - 1) / 2
    return abs(middle - 0.5) <= grid.step / 2


def _squeezes(layer: nn.Module) -> bool:
    """Whether a pooling takes the mean of the whole map, as squeeze-and-excitation does."""
    return isinstance(layer, nn.AdaptiveAvgPool2d) and layer.output_size in {1, (1, 1)}


def _geometry(layer: nn.Module, taken: int, given: int) -> tuple[float, float]:
    """Centre of a layer's first output in cells of its input, and its stride."""
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        factor = taken / given
        return (factor - 1) / 2, factor
    if isinstance(layer, DilatedAverage):
        return 0.0 if layer.balanced else layer.dilation / 2, 1.0
    kernel, stride, padding, dilation = (
        _first(getattr(layer, name, 1))
        for name in ("kernel_size", "stride", "padding", "dilation")
    )
    before = getattr(layer, "padded_before", padding)  # where it differs from what is behind
    return (kernel - 1) / 2 * dilation - before, float(stride)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value
