"""Where crops lie, as `pipeline.attention.place.place` rules, written for a graph."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from pipeline.attention.place import ATTENTION
from pipeline.base.grid import Grid
from pipeline.params.sections import CropParams
from pipeline.predict.onnx.numbers import exactly
from pipeline.predict.onnx.regions import Drawing, region_boxes
from pipeline.predict.onnx.windowing import Window

Boxes = tuple[Float[Tensor, "n 4"], Bool[Tensor, " n"]]
"""Boxes, and whether they say where to look."""


class Placing(nn.Module):
    """The crop boxes of a batch, from its heatmaps and logits."""

    def __init__(self, crop: CropParams, cells: int, grid: Grid) -> None:
        super().__init__()
        self._crop = crop
        self.rule = (WindowRule if crop.windows else RegionRule)(crop, cells, grid)

    def forward(
        self,
        heatmaps: Mapping[str, Float[Tensor, "b _m h h"]],
        logits: Float[Tensor, "b f"],
        prior: Float[Tensor, " f"],
    ) -> Float[Tensor, "b k 4"]:
        """Boxes as fractions of the image, xyxy, in doubles."""
        crop, number = self._crop, self._crop.number
        if crop.method == ATTENTION:
            return or_whole(*self.rule(heatmaps[ATTENTION])).unsqueeze(1)
        learnt = torch.where(prior.isinf(), -torch.inf, logits)
        ranked = (logits - prior).topk(number, 1) if crop.windows else learnt.topk(crop.top, 1)
        maps = heatmaps[crop.method]
        places = ranked.indices[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        drawn, is_drawn = self.rule(
            maps.gather(1, places).unflatten(1, (number, -1)).flatten(0, 1)
        )
        drawn, is_drawn = (one.unflatten(0, (-1, number)) for one in (drawn, is_drawn))
        others = self.rule.others(heatmaps[ATTENTION], drawn, is_drawn)
        return torch.where(is_drawn.unsqueeze(2), drawn, others)


class WindowRule(nn.Module):
    """`draw_window` of many images."""

    def __init__(self, crop: CropParams, cells: int, grid: Grid) -> None:
        super().__init__()
        self.window = Window(cells, grid, side=crop.side)

    def forward(
        self, maps: Float[Tensor, "n 1 h h"], free: Bool[Tensor, "n s s"] | None = None
    ) -> Boxes:
        """Of the one map of each; `free`: the cells whose evidence counts."""
        boxes, says = self.window(maps[:, 0], free)
        return boxes, says & ~fills_image(boxes)

    def others(
        self,
        attention: Float[Tensor, "b 1 h h"],
        drawn: Float[Tensor, "b k 4"],
        is_drawn: Bool[Tensor, "b k"],
    ) -> Float[Tensor, "b k 4"]:
        """Attention's windows in place of those that are not drawn: where no other one lies."""
        free, found = ~self.window.covered(drawn, is_drawn), []
        for rank in range(drawn.shape[1]):
            box = or_whole(*self(attention, free)).unsqueeze(1)
            free = free & ~self.window.covered(box, ~is_drawn[:, rank : rank + 1])
            found.append(box)
        return torch.cat(found, dim=1)


class RegionRule(nn.Module):
    """`draw_region` of many images."""

    def __init__(self, crop: CropParams, cells: int, grid: Grid) -> None:
        super().__init__()
        self._crop = crop
        self.drawing = Drawing(cells, grid)

    def forward(self, maps: Float[Tensor, "n k h h"]) -> Boxes:
        """Of some maps of each."""
        number, crop = maps.shape[1], self._crop
        fine = self.drawing(maps.flatten(0, 1))
        boxes, says = region_boxes(fine, threshold=crop.threshold, region=crop.region)
        boxes = boxes.unflatten(0, (-1, number))
        says = says.unflatten(0, (-1, number)) & ~fills_image(boxes)
        start = torch.where(says.unsqueeze(2), boxes[..., :2], 1).amin(dim=1)
        end = torch.where(says.unsqueeze(2), boxes[..., 2:], 0).amax(dim=1)
        box = grow_boxes(start, end, margin=crop.margin, min_side=crop.min_side)
        return box, says.any(dim=1) & ~fills_image(box)

    def others(
        self,
        attention: Float[Tensor, "b 1 h h"],
        _drawn: Float[Tensor, "b k 4"],
        _is_drawn: Bool[Tensor, "b k"],
    ) -> Float[Tensor, "b 1 4"]:
        """Attention's region in place of one that is not drawn."""
        return or_whole(*self(attention)).unsqueeze(1)


def or_whole(boxes: Float[Tensor, "b 4"], says: Bool[Tensor, " b"]) -> Float[Tensor, "b 4"]:
    """The whole image where a map says nothing."""
    whole = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=boxes.dtype)
    return torch.where(says.unsqueeze(1), boxes, whole)


def fills_image(boxes: Float[Tensor, "*b 4"]) -> Bool[Tensor, "*b"]:
    """Which boxes are the whole image, and so point nowhere."""
    return (boxes[..., :2] == 0).all(dim=-1) & (boxes[..., 2:] == 1).all(dim=-1)


def grow_boxes(
    start: Float[Tensor, "b 2"], end: Float[Tensor, "b 2"], *, margin: float, min_side: float
) -> Float[Tensor, "b 4"]:
    """As `pipeline.attention.boxes.grow_box`, of many."""
    grown = (end - start) * exactly(1 + 2 * margin)
    side = torch.maximum(grown, exactly(min_side)).clamp(max=1)
    moved = torch.minimum(((start + end - side) / 2).clamp(min=0), 1 - side)
    return torch.cat([moved, moved + side], dim=1)


def pixel_boxes(boxes: Float[Tensor, "*b 4"], side: int) -> Int[Tensor, "*b 4"]:
    """As `pipeline.attention.boxes.pixel_box`, of many, on square images."""
    first = (boxes[..., :2] * side + exactly(1e-6)).floor().clamp(0, side - 1)
    last = torch.maximum((boxes[..., 2:] * side - exactly(1e-6)).ceil(), first + 1).clamp(max=side)
    return torch.cat([first, last], dim=-1).long()
