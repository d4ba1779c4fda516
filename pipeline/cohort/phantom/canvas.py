"""The drawing surface in chest units, and the few strokes that everything is drawn with."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32, Int
from numpy.random import Generator

Layer = Float32[np.ndarray, "h w"]
"""Attenuation, or a share in [0, 1], over the canvas."""

Lines = Float32[np.ndarray, "n k 2"]
"""n polylines of k points (x, y) in chest units."""

IMAGE_UNITS = 2.2
"""Chest units across the image."""

_CANVAS_UNITS = 2.42  # the canvas: a turned and shifted image still finds something at its corners


@dataclass(frozen=True)
class Canvas:
    """Pixel centres in chest units, as a row and a column that broadcast."""

    x: Float32[np.ndarray, "1 w"]
    y: Float32[np.ndarray, "h 1"]
    px_per_unit: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y.shape[0], self.x.shape[1]

    def to_px(self, points: Float32[np.ndarray, "*n 2"]) -> Int[np.ndarray, "*n 2"]:
        """(x, y) in chest units to the fixed-point pixels that cv2 draws at `SHIFT`."""
        px = (points + _CANVAS_UNITS / 2) * self.px_per_unit - 0.5
        fixed: Int[np.ndarray, "*n 2"] = np.round(px * 2**SHIFT).astype(np.int32)
        return fixed

    def window(self, x: float, y: float, radius: float) -> tuple[slice, slice]:
        """Rows and columns of the square of half side `radius` around a point."""
        centre = (np.array([y, x]) + _CANVAS_UNITS / 2) * self.px_per_unit
        low = np.clip(np.floor(centre - radius * self.px_per_unit), 0, None).astype(int)
        high = np.clip(np.ceil(centre + radius * self.px_per_unit), 0, None).astype(int)
        return slice(low[0], high[0]), slice(low[1], high[1])


SHIFT = 4
"""Fractional bits of the coordinates that cv2 draws."""


@lru_cache(maxsize=2)
def canvas(size_px: int) -> Canvas:
    """The canvas of images with sides of `size_px`."""
    px_per_unit = size_px / IMAGE_UNITS
    side = round(_CANVAS_UNITS * px_per_unit)
    axis = ((np.arange(side) + 0.5) / px_per_unit - _CANVAS_UNITS / 2).astype(np.float32)
    return Canvas(axis[None, :], axis[:, None], px_per_unit)


def smoothstep(
    distance: Float32[np.ndarray, "*shape"], width: float
) -> Float32[np.ndarray, "*shape"]:
    """0 below `-width / 2`, 1 above `width / 2`, smooth between."""
    t = distance * np.float32(1 / width)
    t += np.float32(0.5)
    np.clip(t, 0, 1, out=t)
    square = t * t
    t *= -2
    t += 3
    square *= t
    return square


def bump(distance: Float32[np.ndarray, "*shape"], width: float) -> Float32[np.ndarray, "*shape"]:
    """1 at 0, falling smoothly to 0 at `-width` and `width`."""
    t = distance * np.float32(1 / width)
    np.square(t, out=t)
    np.subtract(1, t, out=t)
    np.maximum(t, 0, out=t)
    return np.square(t, out=t)


def noise_field(rng: Generator, shape: tuple[int, int], cells: int) -> Layer:
    """Smooth noise of unit variance with about `cells` hills along a side."""
    side = max(cells, 2)
    coarse = rng.standard_normal((side, side), dtype=np.float32)
    # Cubic interpolation of white noise keeps about 0.6 of its standard deviation.
    field: Layer = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    field *= np.float32(1.6)
    return field


def draw_lines(surface: Canvas, lines: Lines, *, width: float, level: float = 1.0) -> Layer:
    """Antialiased polylines, `width` in chest units, `level` at their core."""
    layer = np.zeros(surface.shape, np.uint8)
    thickness = max(round(width * surface.px_per_unit), 1)
    cv2.polylines(layer, list(surface.to_px(lines)), False, 255, thickness, cv2.LINE_AA, SHIFT)
    # Below one pixel a line grows faint, not thin.
    faint = min(width * surface.px_per_unit, 1.0)
    drawn: Layer = layer.astype(np.float32)
    drawn *= np.float32(level * faint / 255)
    return drawn
