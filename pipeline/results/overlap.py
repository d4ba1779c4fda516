"""How well one predicted box, or one point, meets the radiologists' boxes of a finding.

Boxes are xyxy fractions of the image, as everywhere.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Of T(IoU) in Wang et al. (CVPR 2017), Table 4: the share of boxes with a greater IoU."""


class Detection(NamedTuple):
    """What a method says about one finding on one image."""

    box: Float[np.ndarray, "4"] | None
    """None: the method points nowhere."""
    point: Float[np.ndarray, "2"] | None
    """x, y of its strongest evidence; of a box without a map, the centre."""
    empty: bool = False
    """It points nowhere: there was nothing to draw a box from, or the box is the whole image."""


class Overlap(NamedTuple):
    """A detection against the truth; zeros where the method pointed nowhere."""

    iou: float
    iobb: float
    """Share of the detected box that lies in the truth."""
    pointing: bool
    """Whether the point is in any true box."""
    empty: bool


def overlap(detection: Detection, truths: Float[np.ndarray, "k 4"]) -> Overlap:
    """Score a detection against the best matching of the finding's true boxes in the image.

    Best means greatest IoU. A method draws one box, so it is not asked for the others.
    """
    pointing = detection.point is not None and contains(truths, detection.point)
    if detection.box is None:
        return Overlap(0.0, 0.0, pointing, empty=True)
    ious = box_iou(detection.box[None], truths)[0]
    best = int(ious.argmax())
    shared = intersection(detection.box[None], truths[best : best + 1])[0, 0]
    iobb = shared / max(area(detection.box[None])[0], np.finfo(float).tiny)
    return Overlap(float(ious[best]), float(iobb), pointing, detection.empty)


def summary(overlaps: list[Overlap]) -> dict[str, float | int | dict[str, float]]:
    """Means over detections; `n` of them."""
    ious = np.array([one.iou for one in overlaps])
    return {
        "iou": float(ious.mean()),
        "t_iou": {str(threshold): float((ious > threshold).mean()) for threshold in THRESHOLDS},
        "iobb": float(np.mean([one.iobb for one in overlaps])),
        "pointing": float(np.mean([one.pointing for one in overlaps])),
        "empty_rate": float(np.mean([one.empty for one in overlaps])),
        "n": len(overlaps),
    }


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
    start = np.maximum(boxes[:, None, :2], others[None, :, :2])
    end = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.clip(end - start, 0, None).prod(axis=2))


def area(boxes: Float[np.ndarray, "a 4"]) -> Float[np.ndarray, " a"]:
    """Width times height, as a fraction of the image."""
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1))


def contains(boxes: Float[np.ndarray, "k 4"], point: Float[np.ndarray, "2"]) -> bool:
    """Whether the point is in any of the (half-open) boxes."""
    return bool(((boxes[:, :2] <= point) & (point < boxes[:, 2:])).all(axis=1).any())
