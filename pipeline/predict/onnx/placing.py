"""Where crops lie, as `pipeline.attention.place.place_crop` rules, written for a graph."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from pipeline.attention.place import ATTENTION
from pipeline.base.grid import Grid
from pipeline.params.sections import CropParams
from pipeline.predict.onnx.numbers import exactly
from pipeline.predict.onnx.regions import Drawing, region_boxes


class Placing(nn.Module):
    """The crop boxes of a batch, from its heatmaps and logits."""

    def __init__(self, crop: CropParams, cells: int, grid: Grid) -> None:
        super().__init__()
        self._crop = crop
        self.drawing = Drawing(cells, grid)

    def forward(
        self, heatmaps: Mapping[str, Float[Tensor, "b _m h h"]], logits: Float[Tensor, "b f"]
    ) -> Float[Tensor, "b 4"]:
        """Boxes as fractions of the image, xyxy, in doubles."""
        box, is_found = self._joined(heatmaps[ATTENTION])
        box = torch.where(is_found.unsqueeze(1), box, whole_image(logits.shape[0], box))
        if self._crop.method == ATTENTION:
            return box
        likely = logits.topk(self._crop.top, dim=1).indices
        maps = heatmaps[self._crop.method]
        chosen = maps.gather(1, likely[:, :, None, None].expand(-1, -1, *maps.shape[2:]))
        first, is_first = self._joined(chosen)
        return torch.where(is_first.unsqueeze(1), first, box)

    def _joined(
        self, maps: Float[Tensor, "b k h h"]
    ) -> tuple[Float[Tensor, "b 4"], Bool[Tensor, " b"]]:
        """The box around the boxes of some maps of each image, and whether it says anything."""
        number = maps.shape[1]
        fine, crop = self.drawing(maps.flatten(0, 1)), self._crop
        boxes, says = region_boxes(fine, threshold=crop.threshold, region=crop.region)
        boxes = boxes.unflatten(0, (-1, number))
        says = says.unflatten(0, (-1, number)) & ~fills_image(boxes)
        start = torch.where(says.unsqueeze(2), boxes[..., :2], 1).amin(dim=1)
        end = torch.where(says.unsqueeze(2), boxes[..., 2:], 0).amax(dim=1)
        box = grow_boxes(start, end, margin=self._crop.margin, min_side=self._crop.min_side)
        return box, says.any(dim=1) & ~fills_image(box)


def fills_image(boxes: Float[Tensor, "*b 4"]) -> Bool[Tensor, "*b"]:
    """Which boxes are the whole image, and so point nowhere."""
    return (boxes[..., :2] == 0).all(dim=-1) & (boxes[..., 2:] == 1).all(dim=-1)


def whole_image(number: int, like: Tensor) -> Float[Tensor, "b 4"]:
    """The box that holds all of an image, that often."""
    return torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=like.dtype).expand(number, 4)


def grow_boxes(
    start: Float[Tensor, "b 2"], end: Float[Tensor, "b 2"], *, margin: float, min_side: float
) -> Float[Tensor, "b 4"]:
    """As `pipeline.attention.boxes.grow_box`, of many."""
    grown = (end - start) * exactly(1 + 2 * margin)
    side = torch.maximum(grown, exactly(min_side)).clamp(max=1)
    moved = torch.minimum(((start + end - side) / 2).clamp(min=0), 1 - side)
    return torch.cat([moved, moved + side], dim=1)


def pixel_boxes(boxes: Float[Tensor, "b 4"], side: int) -> Int[Tensor, "b 4"]:
    """As `pipeline.attention.boxes.pixel_box`, of many, on square images."""
    first = (boxes[:, :2] * side + exactly(1e-6)).floor().clamp(0, side - 1)
    last = torch.maximum((boxes[:, 2:] * side - exactly(1e-6)).ceil(), first + 1).clamp(max=side)
    return torch.cat([first, last], dim=1).long()
