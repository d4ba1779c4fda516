"""A radiograph as a picture: its size on a page, and its heatmap over it."""

import base64

import cv2
import matplotlib as mpl
import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from pipeline.attention.drawing import draw_on_image
from pipeline.base.grid import Grid

COLOUR_MAP = "inferno"
"""Perceptually uniform, and monotone in lightness: it survives grey print."""

OPACITY = 0.6
"""Of the overlay where a heatmap is at its maximum; nought where the map is nought."""

SIDE_PX = 288
"""Of a picture, at most."""

_JPEG_QUALITY = 82


def overlay(
    image: UInt8[np.ndarray, "h w"], heatmap: Float[np.ndarray, "a b"], grid: Grid
) -> UInt8[np.ndarray, "h w 3"]:
    """The radiograph under its heatmap: RGB, the map scaled by its maximum and interpolated."""
    height, width = image.shape
    fine = draw_on_image(np.maximum(heatmap, 0), grid, height=height, width=width)
    fine = fine / max(float(fine.max()), np.finfo(np.float32).tiny)
    colour = mpl.colormaps[COLOUR_MAP](fine)[:, :, :3]
    alpha = OPACITY * fine[:, :, None]
    mixed = (1 - alpha) * image[:, :, None] + alpha * 255 * colour
    return np.asarray(np.rint(mixed), np.uint8)


def fit(image: UInt8[np.ndarray, "h w"], side_px: int = SIDE_PX) -> UInt8[np.ndarray, "s s"]:
    """At most `side_px` on a side: the page stays small."""
    side = min(side_px, *image.shape)
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA))


def jpeg(image: UInt8[np.ndarray, "h w *bgr"]) -> str:
    """A picture, grey or in BGR, as base64."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(image), quality)[1]
    return base64.b64encode(encoded.tobytes()).decode()


def jpeg_uri(image: UInt8[np.ndarray, "h w *bgr"]) -> str:
    """A picture, grey or in BGR, as text that a page holds."""
    return f"data:image/jpeg;base64,{jpeg(image)}"


def age_gender_view(image: pd.Series) -> str:
    """What is known of who was imaged, and how."""
    age = "age unknown" if pd.isna(image["age_years"]) else f"{image['age_years']:.0f} years"
    others = [
        f"{name} unknown" if pd.isna(image[column]) else str(image[column])
        for name, column in (("gender", "gender"), ("view", "view_position"))
    ]
    return ", ".join((age, *others))
