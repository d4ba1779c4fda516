"""A grid in the middle of the image: strides that are taken at odd places instead of even ones."""

from collections import defaultdict
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.backbones.dilation import DilatedAverage
from pipeline.networks.backbones.receptive_field import measure_grid


def centre_grid(features: nn.Module, images: Float[Tensor, "b c s s"]) -> None:
    """Bring the grid of `features` to the middle of the image, in place, where it is not there.

    A padded convolution of stride 2 looks at the places 0, 2, 4, ... of an even number: half a
    place before their middle. Over five of them this adds up to half a cell: of 224 pixels at
    stride 32 the first cell looks at pixel 0 and the last one at pixel 192, so that the right and
    lower border have fewer cells than the left and upper one. The last stride alone, taken at 1,
    3, 5, ..., makes up for all the others but for half a pixel: 16 = 1 + 2 + 4 + 8 + 1. Weights
    keep their shape and meaning, and there are as many cells as before.

    Strides are tried from the last one on, and each is moved if that brings the grid nearer to
    the middle. Even kernels, and networks without strided convolutions, are left as they are.
    Means of 2 x 2 cells that lost their stride to dilation are balanced.

    Args:
        features: from `images` to feature maps.
        images: of the size for which the grid counts; any content.
    """
    for layer in features.modules():
        if isinstance(layer, DilatedAverage):
            layer.balanced = True
    cells, off = _cells_and_offset(features, images)
    for layers in _strides(features, images):
        if off <= 1 / images.shape[-1]:
            return
        undo = [_move(layer) for layer in layers]
        left, moved = _try_cells_and_offset(features, images)
        if left == cells and moved < off:
            off = moved
        else:
            for one in undo:
                one()


def _cells_and_offset(features: nn.Module, images: Float[Tensor, "b c s s"]) -> tuple[int, float]:
    """Cells of a side, and how far their middle is from the image's, as a share of its side."""
    maps, grid = measure_grid(features, images)
    cells = maps.shape[-1]
    return cells, abs(grid.first + grid.step * (cells - 1) / 2 - 0.5)


def _try_cells_and_offset(
    features: nn.Module, images: Float[Tensor, "b c s s"]
) -> tuple[int, float]:
    """As `_cells_and_offset`; no cells where what was moved does not fit to a shortcut any more.

    Of maps with an odd number of places, odd places are one less than even ones; a shortcut that
    takes means of 2 x 2 places (ResNet-D) is not moved along.
    """
    try:
        return _cells_and_offset(features, images)
    except RuntimeError:
        return 0, 1.0


def _strides(features: nn.Module, images: Float[Tensor, "b c s s"]) -> list[list[nn.Conv2d]]:
    """Convolutions of odd kernel and stride 2 by the maps that they take, last ones first.

    What runs beside another one (a block's shortcut) takes the same maps and is moved with it.
    """
    found: dict[int, list[nn.Conv2d]] = defaultdict(list)

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found[inputs[0].shape[-1]].append(layer)  # type: ignore[arg-type]

    strided = [layer for layer in features.modules() if _can_move(layer)]
    hooks = [layer.register_forward_pre_hook(note) for layer in strided]
    measure_grid(features, images)
    for hook in hooks:
        hook.remove()
    return [found[size] for size in sorted(found)]


def _can_move(layer: nn.Module) -> bool:
    """Whether it pads evenly, to the middle of an odd kernel; some of timm's pad by themselves."""
    return (
        type(layer) is nn.Conv2d
        and set(layer.stride) == {2}
        and set(layer.dilation) == {1}
        and all(size % 2 and pad == size // 2 for size, pad in _sides(layer))
    )


def _sides(layer: nn.Conv2d) -> list[tuple[int, int]]:
    pads = layer.padding if isinstance(layer.padding, tuple) else (-1, -1)
    return list(zip(layer.kernel_size, pads, strict=True))


def _move(layer: nn.Conv2d) -> Callable[[], None]:
    """Let it look at odd places; what is returned puts it back."""
    before = layer.padding
    reach = layer.kernel_size[0] // 2
    layer.padding = (0, 0)
    layer.padded_before = reach - 1  # type: ignore[assignment]
    layer.widened = 2 * reach - 1  # type: ignore[assignment]
    hook = layer.register_forward_pre_hook(_pad_behind)

    def undo() -> None:
        hook.remove()
        layer.padding = before
        del layer.padded_before, layer.widened

    return undo


def _pad_behind(layer: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """One place less of zeros before the maps than behind them: of a kernel of 1, one is cut."""
    before = int(layer.padded_before)  # type: ignore[arg-type]
    behind = int(layer.widened) - before  # type: ignore[arg-type]
    return functional.pad(inputs[0], (before, behind, before, behind))
