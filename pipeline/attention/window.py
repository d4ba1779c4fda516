"""The square of a fixed size where a heatmap has most evidence."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float, Float32, Int

from pipeline.attention.crop import fine_map
from pipeline.base.grid import Grid

WINDOW_GRID = 128
"""Cells per side on which a window is placed: its edges lie between pixels of caches whose side is
a multiple of it, so that nothing is resampled."""

LEVELS = 2**16 - 1
"""Of evidence, which is summed in whole numbers: sums are exact in any order."""


def evidence_window(
    heatmap: Float32[np.ndarray, "h w"],
    grid: Grid,
    *,
    side: float,
    taken: Sequence[Float[np.ndarray, "4"]] = (),
) -> Float[np.ndarray, "4"] | None:
    """The square that holds most evidence; of equal ones the one nearest the image's middle.

    Args:
        heatmap: of any scale; negative values count as none.
        grid: where its cells look.
        side: of the square, as a share of the image's.
        taken: boxes whose evidence does not count (xyxy fractions of the image).

    Returns:
        xyxy fractions of the image, or None if no value that counts is positive.
    """
    fine = _without(fine_map(heatmap, grid, side=WINDOW_GRID), taken)
    peak = fine.max()
    if peak <= 0:
        return None
    cells = window_cells(side, len(fine))
    levels = np.rint(fine * (LEVELS / np.float64(peak))).astype(np.int64)
    sums = _sums(levels, cells)
    order = middle_first(len(sums))
    row, column = divmod(int(order[np.argmax(sums.ravel()[order])]), len(sums))
    return np.array([column, row, column + cells, row + cells]) / len(fine)


def _without(
    fine: Float32[np.ndarray, "h w"], taken: Sequence[Float[np.ndarray, "4"]]
) -> Float32[np.ndarray, "h w"]:
    if not taken:
        return fine
    left = fine.copy()
    for box in taken:
        x1, y1, x2, y2 = np.rint(box * len(fine)).astype(int)
        left[y1:y2, x1:x2] = 0
    return left


def window_cells(side: float, cells: int) -> int:
    """The side of a window, in cells of a grid that has so many a side."""
    return min(max(round(side * cells), 1), cells)


@cache
def middle_first(places: int) -> Int[np.ndarray, " n"]:
    """All places of a square of so many a side, row by row, those nearest to its middle first."""
    away = np.arange(places) - (places - 1) / 2
    return np.argsort((away[:, None] ** 2 + away**2).ravel(), kind="stable")


def _sums(cells: Int[np.ndarray, "n n"], side: int) -> Int[np.ndarray, "p p"]:
    """Of every window of that side."""
    total = np.pad(cells.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    down = total[side:] - total[:-side]
    return np.asarray(down[:, side:] - down[:, :-side])
