"""Boxes: xyxy, half-open, as fractions of the image unless a name says pixels."""

import numpy as np
from jaxtyping import Float

WHOLE_IMAGE = np.array([0.0, 0.0, 1.0, 1.0])


def enclosing_box(boxes: Float[np.ndarray, "k 4"]) -> Float[np.ndarray, "4"]:
    """Smallest box that holds all of `boxes`."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def fills_image(box: Float[np.ndarray, "4"]) -> bool:
    """Whether a box is the whole image, and so points nowhere."""
    return bool((box == WHOLE_IMAGE).all())


def grow_box(
    box: Float[np.ndarray, "4"], *, margin: float, min_side: float
) -> Float[np.ndarray, "4"]:
    """Widen `box` by `margin` of its own side on each side, to at least `min_side`.

    The result keeps the box's centre where the image allows it, and otherwise is moved, not
    shrunk, to lie within [0, 1].
    """
    start, end = box[:2], box[2:]
    side = np.minimum(np.maximum((end - start) * (1 + 2 * margin), min_side), 1.0)
    start = np.clip((start + end - side) / 2, 0.0, 1.0 - side)
    return np.concatenate([start, start + side])


def pixel_box(
    box: Float[np.ndarray, "4"], *, width: int, height: int
) -> tuple[int, int, int, int]:
    """The pixels that `box` touches: `image[y1:y2, x1:x2]`; at least one pixel."""
    x1, x2 = _pixels(box[0], box[2], width)
    y1, y2 = _pixels(box[1], box[3], height)
    return x1, y1, x2, y2


def _pixels(start: float, end: float, length: int) -> tuple[int, int]:
    # 1e-6 px: an edge that lies on a pixel border up to rounding is that border
    first = min(max(int(np.floor(start * length + 1e-6)), 0), length - 1)
    last = min(max(int(np.ceil(end * length - 1e-6)), first + 1), length)
    return first, last
