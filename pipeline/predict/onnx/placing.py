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
        boxes, says = self.rule(heatmaps[ATTENTION])
        whole = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=boxes.dtype)
        boxes = torch.where(says.unsqueeze(1), boxes, whole).unsqueeze(1).expand(-1, number, -1)
        if crop.method == ATTENTION:
            return boxes
        learnt = torch.where(prior.isinf(), -torch.inf, logits)
        ranked = (logits - prior).topk(number, 1) if crop.windows else learnt.topk(crop.top, 1)
        maps = heatmaps[crop.method]
        places = ranked.indices[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        drawn, is_drawn = self.rule(
            maps.gather(1, places).unflatten(1, (number, -1)).flatten(0, 1)
        )
        drawn, is_drawn = (one.unflatten(0, (-1, number)) for one in (drawn, is_drawn))
        return torch.where(is_drawn.unsqueeze(2), drawn, boxes)


class WindowRule(nn.Module):
    """`draw_window` of many images."""

    def __init__(self, crop: CropParams, cells: int, grid: Grid) -> None:
        super().__init__()
        self.window = Window(cells, grid, side=crop.side)

    def forward(self, maps: Float[Tensor, "n 1 h h"]) -> Boxes:
        """Of the one map of each."""
        boxes, says = self.window(maps[:, 0])
        return boxes, says & ~fills_image(boxes)


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
