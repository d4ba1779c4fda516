"""A finer grid from the same weights: strides beyond a limit become dilation."""

from collections.abc import Iterable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


def limit_stride(blocks: Iterable[nn.Module], output_stride: int) -> None:
    """Turn strides beyond `output_stride` into dilation, in place (DeepLab, arXiv:1606.00915).

    Weights keep their shape and meaning, so pretrained ones still fit; the grid of the feature
    maps gets finer, each cell keeps its receptive field, and every n-th cell computes exactly
    what the coarse grid's did (but for squeeze-and-excitation, whose mean is over more cells).

    Args:
        blocks: in the order in which they run.
        output_stride: most pixels of the input per cell.
    """
    stride, dilation = 1, 1
    for block in blocks:
        stride, dilation = _dilate(block, stride, dilation, output_stride)


class DilatedAverage(nn.Module):
    """`AvgPool2d(2, stride=2)` without its stride: the mean of four cells that lie apart.

    Each cell with those to the right and below: so all cells look half a step beside their own
    place. Balanced, the mean of this and of its mirror image, those to the left and above, they
    do not; weights across are then 1, 2, 1.
    """

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.balanced = False

    def forward(self, maps: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k h w"]:
        """Each cell with those `dilation` away; beyond the border is zero."""
        if not self.balanced:
            return self._forwards(maps)
        return (self._forwards(maps) + self._forwards(maps.flip(2, 3)).flip(2, 3)) / 2

    def _forwards(self, maps: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k h w"]:
        d = self.dilation
        wide = functional.pad(maps, (0, d, 0, d))
        return (maps + wide[..., d:, :-d] + wide[..., :-d, d:] + wide[..., d:, d:]) / 4


def _dilate(block: nn.Module, stride: int, dilation: int, limit: int) -> tuple[int, int]:
    inner = dilation
    strided = False
    for name, module in list(block.named_modules()):
        if not isinstance(module, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
            continue
        step = module.stride[0] if isinstance(module.stride, tuple) else module.stride
        shortcut = "downsample" in name  # runs beside the block's main path, not after it
        if step > 1 and not shortcut:
            if stride * step > limit:
                _drop_stride(block, name, module, inner)
                strided = True
                dilation *= step
            else:
                stride *= step
        elif step > 1 and strided:
            module.stride = (1, 1)
        if isinstance(module, nn.Conv2d) and inner > 1:
            _spread(module, inner)
        inner = dilation
    return stride, dilation


def _drop_stride(block: nn.Module, name: str, module: nn.Module, dilation: int) -> None:
    if isinstance(module, nn.AvgPool2d):
        parent, _, child = name.rpartition(".")
        setattr(block.get_submodule(parent), child, DilatedAverage(dilation))
        return
    module.stride = (1, 1)  # type: ignore[assignment]
    if isinstance(module, nn.Conv2d) and module.kernel_size[0] % 2 == 0:
        # patches that no longer tile: the map keeps its size if it is widened at its far ends
        module.widened = dilation * (module.kernel_size[0] - 1)  # type: ignore[assignment]
        module.register_forward_pre_hook(_widen)


def _spread(module: nn.Conv2d, dilation: int) -> None:
    module.dilation = (dilation, dilation)
    if module.kernel_size[0] % 2:
        module.padding = tuple(dilation * (k // 2) for k in module.kernel_size)


def _widen(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    reach = int(module.widened)  # type: ignore[arg-type]
    return functional.pad(inputs[0], (0, reach, 0, reach))
