"""Heatmaps in the frame of the image."""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int

from pipeline.base.grid import Grid


def cell_centre(cell: Int[np.ndarray, "*k 2"], grid: Grid) -> Float[np.ndarray, "*k 2"]:
    """Where cell (row, column) of a grid looks: (x, y) as fractions of the image."""
    return np.asarray(grid.first + grid.step * cell[..., ::-1], float)


def draw_on_image(
    heatmap: Float[np.ndarray, "h w"], grid: Grid, *, height: int, width: int
) -> Float32[np.ndarray, "{height} {width}"]:
    """The heatmap at every pixel of an image: bilinear between the cells' centres.

    Beyond the outer centres it stays as it is there.
    """
    across, down = _cells_of_pixels(height, width, grid)
    fine = cv2.remap(
        heatmap.astype(np.float32), across, down, cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return np.asarray(fine, np.float32)


@lru_cache(maxsize=4)  # of all maps alike
def _cells_of_pixels(
    height: int, width: int, grid: Grid
) -> tuple[Float32[np.ndarray, "{height} {width}"], Float32[np.ndarray, "{height} {width}"]]:
    """Which cell each pixel's centre lies in, across and down, as fractions between the cells'."""
    shape = (height, width)
    across = np.broadcast_to(_cells(width, grid)[None], shape).copy()
    down = np.broadcast_to(_cells(height, grid)[:, None], shape).copy()
    across.flags.writeable = down.flags.writeable = False
    return across, down


def _cells(length: int, grid: Grid) -> Float32[np.ndarray, " {length}"]:
    """Which cell the centre of each pixel of a row lies in, as a fraction."""
    centres = (np.arange(length) + 0.5) / length
    return np.asarray((centres - grid.first) / grid.step, np.float32)
