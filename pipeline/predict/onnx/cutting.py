"""OpenCV's resizing of a box that differs from image to image, step by step as it computes.

`cv2.resize` rounds to bytes. Where two grey levels are as near, the order of its sums decides.
What is here sums in that order and precision (OpenCV's resize.cpp: `ResizeArea_Invoker`,
`ResizeAreaFast_Invoker`, `HResizeLinear`, `VResizeLinear`).
"""

from dataclasses import dataclass
from functools import reduce
from math import isqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.predict.onnx.numbers import exactly

_LEAST_OVERLAP = 1e-3
"""OpenCV leaves out what less of a pixel than this lies within."""

_LINEAR_ONE = 2048
"""OpenCV's linear weights are whole numbers, of which two add up to this."""


@dataclass(frozen=True)
class Lines:
    """The columns, or the rows, of the boxes of a batch."""

    start: Int[Tensor, " b"]
    """First pixel."""
    length: Int[Tensor, " b"]
    """Pixels."""
    most: int
    """The longest that they can be: the side of the image."""
    size: int
    """Pixels after resizing."""

    @property
    def scale(self) -> Float[Tensor, "b 1"]:
        """Pixels before for one afterwards, as a double."""
        return (1 / (self.size / self.length.double())).unsqueeze(1)

    @property
    def is_whole(self) -> Tensor:
        """Of each, whether that is a whole number."""
        return self.length % self.size == 0

    def at(self, place: Int[Tensor, "b k"]) -> Int[Tensor, "b k"]:
        """Pixels of the image at places of the box; beyond it its last ones."""
        within = torch.minimum(place.clamp(min=0), self.length.unsqueeze(1) - 1)
        return within + self.start.unsqueeze(1)


@dataclass(frozen=True)
class Taps:
    """In order, which pixels go into each pixel afterwards, and with which weights."""

    pixels: Int[Tensor, "b k"]
    """The first ones of all, then the second ones, ..."""
    weights: Float[Tensor, "b k"]
    size: int
    """Pixels afterwards."""

    def of(self, images: Float[Tensor, "b _h _w"], *, dim: int) -> list[Float[Tensor, "b _r _c"]]:
        """Of each tap the weighed columns (2) or rows (1) of images, in order."""
        other = 3 - dim
        shape = [-1, -1, -1]
        shape[other] = images.shape[other]
        place = self.pixels.unsqueeze(other).expand(shape)
        return list(
            (images.gather(dim, place) * self.weights.unsqueeze(other)).split(self.size, dim)
        )


def cut_boxes(
    images: Float[Tensor, "b s s"], boxes: Int[Tensor, "b 4"], *, size: int
) -> Float[Tensor, "b t t"]:
    """What `pipeline.attention.crop.cut_crop` cuts out of images, to the byte.

    Args:
        images: whole numbers from 0 to 255.
        boxes: xyxy in pixels, half-open.
        size: side of what is cut, in pixels.

    Returns:
        Whole numbers from 0 to 255.
    """
    side = images.shape[-1]
    x1, y1, x2, y2 = boxes.unbind(1)
    across, down = Lines(x1, x2 - x1, side, size), Lines(y1, y2 - y1, side, size)
    linear = _linear(images, across, down)
    if side < size:
        return linear
    shrinks = (across.length >= size) & (down.length >= size)
    return torch.where(shrinks[:, None, None], _area(images, across, down), linear)


def cut_sheets(
    images: Float[Tensor, "b s s"], boxes: Int[Tensor, "b k 4"], *, size: int
) -> Float[Tensor, "b t t"]:
    """What `pipeline.attention.crop.cut_sheet` makes of images, to the byte; see `cut_boxes`."""
    across = isqrt(boxes.shape[1])
    crops = [cut_boxes(images, one, size=size // across) for one in boxes.unbind(1)]
    rows = [torch.cat(crops[at : at + across], 2) for at in range(0, len(crops), across)]
    return torch.cat(rows, 1)


def _area(images: Tensor, across: Lines, down: Lines) -> Tensor:
    """INTER_AREA. Where both scales are whole numbers it is a mean: the sum, divided once."""
    is_mean = (across.is_whole & down.is_whole).unsqueeze(1)
    columns = _summed(_area_taps(across, is_mean).of(images, dim=2))
    sums = _summed(_area_taps(down, is_mean).of(columns, dim=1))
    pixels = (across.length // across.size * (down.length // down.size)).float()
    means = sums * (1 / pixels)[:, None, None]
    rounded = torch.where(is_mean.unsqueeze(1), means, sums).round().clamp(0, 255)
    halved = (
        is_mean.squeeze(1) & (across.length == 2 * across.size) & (down.length == 2 * down.size)
    )
    return torch.where(halved[:, None, None], ((sums + 2) / 4).floor(), rounded)


def _area_taps(lines: Lines, is_mean: Tensor) -> Taps:
    """Of OpenCV's `computeResizeAreaTab`; weights of 1 for a mean."""
    device = lines.start.device
    begin = torch.arange(lines.size, device=device) * lines.scale
    end = begin + lines.scale
    length = lines.length.unsqueeze(1)
    cell = torch.minimum(lines.scale, length - begin)
    last = torch.minimum(end.floor(), (length - 1).double())
    first = torch.minimum(begin.ceil(), last)
    before, behind = (
        _overlap(first - begin),
        torch.minimum(_overlap(end - last).clamp(max=1), cell),
    )
    step = torch.arange(-1, -(-lines.most // lines.size) + 1, device=device).view(1, -1, 1)
    place = first.unsqueeze(1) + step
    end = last.unsqueeze(1)
    share = torch.where(place < end, 1.0, torch.where(place == end, behind.unsqueeze(1), 0.0))
    share = torch.where(step < 0, before.unsqueeze(1), share).flatten(1)
    cells = cell.repeat(1, step.numel())
    weights = torch.where(is_mean, share.ceil(), share / cells).float()
    return Taps(lines.at(place.long().flatten(1)), weights, lines.size)


def _overlap(share: Float[Tensor, "b t"]) -> Float[Tensor, "b t"]:
    return torch.where(share > exactly(_LEAST_OVERLAP), share, 0)


def _summed(parts: list[Tensor]) -> Tensor:
    """One after the other."""
    return reduce(torch.add, parts)


def _linear(images: Tensor, across: Lines, down: Lines) -> Tensor:
    """INTER_LINEAR, which computes in whole numbers."""
    left, share = _linear_places(across)
    is_beyond = (left < 0) | (left >= across.length.unsqueeze(1) - 1)
    columns = _summed(_pair(across, left, torch.where(is_beyond, 0, share)).of(images, dim=2))
    upper, share = _linear_places(down)  # at the borders OpenCV weighs one row twice
    sixteenths = (columns / 16).floor().double()
    halves = [(part / 65536).floor() for part in _pair(down, upper, share).of(sixteenths, dim=1)]
    return ((_summed(halves) + 2) / 4).floor().float()


def _linear_places(lines: Lines) -> tuple[Int[Tensor, "b t"], Float[Tensor, "b t"]]:
    """The pixel before each pixel afterwards, and how far that lies beyond it."""
    centres = torch.arange(lines.size, device=lines.start.device) + 0.5
    places = (centres.double() * lines.scale - 0.5).float()
    before = places.floor()
    return before.long(), places - before


def _pair(lines: Lines, place: Int[Tensor, "b t"], share: Float[Tensor, "b t"]) -> Taps:
    weights = (torch.cat([1 - share, share], dim=1) * _LINEAR_ONE).round()
    return Taps(lines.at(torch.cat([place, place + 1], dim=1)), weights, lines.size)
