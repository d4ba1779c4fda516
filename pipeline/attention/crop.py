"""Heatmap to mask to largest region to box to crop (AG-CNN, arXiv:1801.09927, Sec. 3.2)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, Int, UInt8

from pipeline.artifacts.shards import Shards
from pipeline.attention.boxes import pixel_box
from pipeline.attention.grid import draw_on_image
from pipeline.cores import cores
from pipeline.grid import Grid

FINE_GRID = 112
"""Cells per side to which a heatmap is interpolated before it is cut at the threshold: on a
7 x 7 grid the best possible boxes reach a mean IoU of .49, so edges must fall between cells."""

_AHEAD = 256


def heatmap_box(
    heatmap: Float[np.ndarray, "h w"], grid: Grid, *, threshold: float
) -> Float[np.ndarray, "4"] | None:
    """The box of the largest connected region above the threshold.

    Args:
        heatmap: any scale; negative values count as none.
        grid: where its cells look.
        threshold: tau of AG-CNN, of the heatmap divided by its maximum.

    Returns:
        xyxy fractions of the image, or None if no value is positive: such a map says nothing.
    """
    return region_box(fine_map(heatmap, grid), threshold=threshold)


def fine_map(heatmap: Float[np.ndarray, "h w"], grid: Grid) -> Float32[np.ndarray, "n n"]:
    """The positive part of a heatmap on the image, at least `FINE_GRID` cells a side."""
    height, width = (max(FINE_GRID, cells) for cells in heatmap.shape)
    return draw_on_image(np.maximum(heatmap, 0), grid, height=height, width=width)


def region_box(
    fine: Float32[np.ndarray, "h w"], *, threshold: float
) -> Float[np.ndarray, "4"] | None:
    """As `heatmap_box`, of a map that is drawn already."""
    peak = fine.max()
    if peak <= 0:
        return None
    height, width = fine.shape
    box = largest_region(fine > threshold * peak) / np.array([width, height, width, height])
    return np.asarray(box)


def largest_region(mask: Bool[np.ndarray, "h w"]) -> Int[np.ndarray, "4"]:
    """The box of the 8-connected region with most cells; of equals the one that is met first.

    Returns:
        `(x1, y1, x2, y2)` in cells of `mask`, half-open.

    Raises:
        ValueError: no cell is true.
    """
    *_, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if len(stats) == 1:  # the background alone
        raise ValueError("no region in an empty mask")
    x, y, width, height, _ = stats[1 + stats[1:, cv2.CC_STAT_AREA].argmax()]
    return np.array([x, y, x + width, y + height])


def cut_crop(
    image: UInt8[np.ndarray, "h w"], box: Float[np.ndarray, "4"], *, size: int
) -> UInt8[np.ndarray, "s s"]:
    """The pixels of `box`, resized to a square: area filter when shrinking, else bilinear."""
    x1, y1, x2, y2 = pixel_box(box, width=image.shape[1], height=image.shape[0])
    shrinks = (x2 - x1) >= size and (y2 - y1) >= size
    filter_ = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image[y1:y2, x1:x2], (size, size), interpolation=filter_))


def cut_crops(
    images: Shards, placed: pd.DataFrame, *, size: int
) -> Iterator[dict[str, np.ndarray]]:
    """The crop of every image, as rows for `write_shards`; `placed` has schema CROPS.

    Cut by a thread for each core, some hundreds ahead at most.
    """
    boxes = placed[["x1", "y1", "x2", "y2"]].to_numpy()

    def cut(row: int) -> dict[str, np.ndarray]:
        return {"image": cut_crop(images[row], boxes[row], size=size)}

    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(boxes), _AHEAD):
            yield from pool.map(cut, range(start, min(start + _AHEAD, len(boxes))))
