"""How well one predicted box, or one point, meets the radiologists' boxes of a finding.

Boxes are xyxy fractions of the image, as everywhere.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

T_IOU = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Of T(IoU) in Wang et al. (CVPR 2017), Table 4: the share of cases with a greater IoU."""

T_IOBB = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Of T(IoBB) there: the share of cases with more of the detected box in the true one."""


class Detection(NamedTuple):
    """What a method says about one finding on one image."""

    box: Float[np.ndarray, "4"] | None
    """None: the method points nowhere."""
    point: Float[np.ndarray, "2"] | None
    """x, y of its strongest evidence; of a box without a map, the centre."""
    empty: bool = False
    """It points nowhere: there was nothing to draw a box from, or the box is the whole image."""
    energy: float | None = None
    """Share of the map that lies in true boxes; None of a box without a map."""


def without_map(box: Float[np.ndarray, "4"], *, empty: bool = False) -> Detection:
    """A box that no map has drawn: it points at its centre."""
    return Detection(box, (box[:2] + box[2:]) / 2, empty)


class Overlap(NamedTuple):
    """A detection against the truth; zeros where the method pointed nowhere."""

    iou: float
    iobb: float
    """Share of the detected box that lies in the truth."""
    pointing: float
    """1 if the point is in any true box (the pointing game, arXiv:1608.00507), else 0; NaN of a
    box without a point."""
    energy: float
    """Share of the map that lies in true boxes (Score-CAM's energy-based pointing game,
    arXiv:1910.01279, Sec. 4.3); NaN of a box without a map."""
    empty_rate: float
    """1 if the method pointed nowhere, else 0."""


def overlap(detection: Detection, truths: Float[np.ndarray, "k 4"]) -> Overlap:
    """Score a detection against the best matching of the finding's true boxes in the image.

    Best means greatest IoU. A method draws one box, so it is not asked for the others.
    """
    energy = np.nan if detection.energy is None else detection.energy
    if detection.box is None:
        return Overlap(0.0, 0.0, 0.0, energy, empty_rate=1.0)
    pointing = np.nan if detection.point is None else float(contains(truths, detection.point))
    ious = box_iou(detection.box[None], truths)[0]
    best = int(ious.argmax())
    shared = intersection(detection.box[None], truths[best : best + 1])[0, 0]
    iobb = shared / max(area(detection.box[None])[0], np.finfo(float).tiny)
    empty = float(detection.empty)
    return Overlap(float(ious[best]), float(iobb), pointing, energy, empty)


MEASURES = (
    *Overlap._fields,
    *(f"t_iou.{threshold}" for threshold in T_IOU),
    *(f"t_iobb.{threshold}" for threshold in T_IOBB),
)
"""What is averaged over cases, in the order of `measured`."""


def measured(overlaps: Sequence[Overlap]) -> Float[np.ndarray, "n m"]:
    """Every measure of every case."""
    plain = np.array(overlaps, float).reshape(-1, len(Overlap._fields))
    iou, iobb = plain[:, :1], plain[:, 1:2]
    return np.hstack([plain, iou > np.array(T_IOU), iobb > np.array(T_IOBB)])


def box_iou(
    boxes: Float[np.ndarray, "a 4"], others: Float[np.ndarray, "b 4"]
) -> Float[np.ndarray, "a b"]:
    """Intersection over union of every pair; 0 where both are empty."""
    shared = intersection(boxes, others)
    union = area(boxes)[:, None] + area(others)[None] - shared
    ious = np.zeros_like(shared)
    np.divide(shared, union, out=ious, where=union > 0)
    return ious


def intersection(
    boxes: Float[np.ndarray, "a 4"], others: Float[np.ndarray, "b 4"]
) -> Float[np.ndarray, "a b"]:
    """Shared area of every pair, as a fraction of the image."""
    x1, y1, x2, y2 = boxes.T[:, :, None]
    left, top, right, bottom = others.T[:, None]
    width = np.minimum(x2, right) - np.maximum(x1, left)
    height = np.minimum(y2, bottom) - np.maximum(y1, top)
    return np.asarray(np.maximum(width, 0) * np.maximum(height, 0))


def area(boxes: Float[np.ndarray, "a 4"]) -> Float[np.ndarray, " a"]:
    """Width times height, as a fraction of the image."""
    x1, y1, x2, y2 = boxes.T
    return np.asarray(np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0))


def contains(boxes: Float[np.ndarray, "k 4"], point: Float[np.ndarray, "2"]) -> bool:
    """Whether the point is in any of the (half-open) boxes."""
    return bool(((boxes[:, :2] <= point) & (point < boxes[:, 2:])).all(axis=1).any())


def share_inside(fine: Float[np.ndarray, "h w"], boxes: Float[np.ndarray, "k 4"]) -> float:
    """Share of a non-negative map that lies in any of the boxes; 0 of an empty map.

    Cells at the boxes' edges count by their area inside; where boxes share a cell, at most once.
    """
    total = fine.sum(dtype=np.float64)
    if total <= 0:
        return 0.0
    height, width = fine.shape
    inside = np.zeros(fine.shape)
    for x1, y1, x2, y2 in boxes:
        inside += np.outer(_covered(y1, y2, height), _covered(x1, x2, width))
    return float((fine * np.minimum(inside, 1)).sum() / total)


def _covered(start: float, end: float, cells: int) -> Float[np.ndarray, " {cells}"]:
    """How much of each cell lies between `start` and `end`, fractions of the side."""
    edges = np.clip(np.arange(cells + 1) / cells, start, end)
    return np.asarray(np.diff(edges) * cells)
