"""Heatmap to mask to region to box to crop (AG-CNN, arXiv:1801.09927, Sec. 3.2)."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, Int, UInt8

from pipeline.attention.boxes import pixel_box
from pipeline.attention.drawing import cell_centre, draw_on_image
from pipeline.base.cores import cores
from pipeline.base.grid import Grid
from pipeline.base.shards import Shards
from pipeline.params.names import RegionRule, Threshold

FINE_GRID = 112
"""Cells per side to which a heatmap is interpolated before it is cut at the threshold: on a
7 x 7 grid the best possible boxes reach a mean IoU of .49, so edges must fall between cells."""

_AHEAD = 256

_Box = tuple[int, int, int, int]
"""`(x1, y1, x2, y2)` in cells, half-open."""

_Cell = tuple[int, int]
"""Column and row."""

Region = Callable[[Float32[np.ndarray, "h w"], UInt8[np.ndarray, "h w"], int], list[_Box]]
"""From a drawn map, how many of some thresholds each cell is above, and how many these are, to the
box of one region above each of them, lowest first. The maximum is above all."""


@dataclass(frozen=True)
class BoxRule:
    """How a heatmap becomes a box."""

    threshold: Threshold
    """tau of AG-CNN, of the heatmap divided by its maximum; or "otsu", of the map itself."""
    region: RegionRule
    """An entry of `REGIONS`: which of the regions above the threshold."""


def heatmap_box(
    heatmap: Float[np.ndarray, "h w"], grid: Grid, rule: BoxRule
) -> Float[np.ndarray, "4"] | None:
    """The box of the evidence above the threshold.

    Args:
        heatmap: any scale; negative values count as none.
        grid: where its cells look.
        rule: threshold and region.

    Returns:
        xyxy fractions of the image, or None if no value is positive: such a map says nothing.
    """
    return region_box(fine_map(heatmap, grid), rule)


def fine_map(
    heatmap: Float[np.ndarray, "h w"], grid: Grid, *, side: int = FINE_GRID
) -> Float32[np.ndarray, "n n"]:
    """The positive part of a heatmap on the image, at least `side` cells a side.

    The maximum stands where its cell looks, be that between the centres of two pixels.
    """
    height, width = (max(side, cells) for cells in heatmap.shape)
    fine = draw_on_image(np.maximum(heatmap, 0), grid, height=height, width=width)
    peak = heatmap.max()
    if peak > 0:
        # all at once: a saturated map is at its maximum in hundreds of cells
        x, y = cell_centre(np.argwhere(heatmap == peak), grid).T
        for rows, columns in product(_pixels_at(y, height), _pixels_at(x, width)):
            fine[rows, columns] = peak
    return fine


def _pixels_at(places: Float[np.ndarray, " k"], length: int) -> Int[np.ndarray, "2 k"]:
    """The pixel at each fraction of the side, twice; or both of those between which it lies."""
    beside = np.floor(places * length + np.array([[-1e-6], [1e-6]]))
    return np.asarray(np.clip(beside.astype(int), 0, length - 1))


def region_box(fine: Float32[np.ndarray, "h w"], rule: BoxRule) -> Float[np.ndarray, "4"] | None:
    """As `heatmap_box`, of a map that is drawn already."""
    if fine.max() <= 0:
        return None
    threshold = otsu(fine) if rule.threshold == "otsu" else rule.threshold
    (box,) = region_boxes(fine, [threshold], rule.region)
    return np.asarray(box)


def region_boxes(
    fine: Float32[np.ndarray, "h w"], thresholds: Sequence[float], region: RegionRule
) -> Float[np.ndarray, "t 4"]:
    """The boxes of `region_box` at rising thresholds; of a map without evidence, empty ones."""
    height, width = fine.shape
    peak = fine.max()
    if peak <= 0:
        return np.zeros((len(thresholds), 4))
    passed = np.zeros(fine.shape, np.uint8)
    for threshold in thresholds:
        passed += fine > threshold * peak
    passed[fine == peak] = len(thresholds)  # however close the last one is
    boxes = REGIONS[region](fine, passed, len(thresholds))
    return np.reshape(boxes, (-1, 4)) / [width, height, width, height]


def otsu(fine: Float32[np.ndarray, "h w"]) -> float:
    """The share of its maximum that splits a map's values best in two (Otsu 1979).

    Least variance within both parts, among 256 levels; a map of one value is not split: 0.
    """
    levels = np.round(np.maximum(fine, 0) * (255 / fine.max())).astype(np.uint8)
    level, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return float(level + 0.5) / 255 if level else 0.0


def peak_regions(
    fine: Float32[np.ndarray, "h w"], passed: UInt8[np.ndarray, "h w"], thresholds: int
) -> list[_Box]:
    """The boxes of the 8-connected regions that hold the map's maximum.

    Whatever else is above a threshold, and however large, the strongest evidence is inside. Of
    several equal maxima all are.
    """
    peaks = [(int(x), int(y)) for y, x in np.argwhere(fine == fine.max())]
    plateaus = [*_filled(passed, peaks, depth=0)]
    return [
        _around(_filled(passed, plateaus, depth=thresholds - level).values())
        for level in range(1, thresholds + 1)
    ]


def _filled(
    passed: UInt8[np.ndarray, "h w"], starts: Iterable[_Cell], *, depth: int
) -> dict[_Cell, Sequence[int]]:
    """The boxes `(x, y, width, height)` of the regions about starts, by the first start in each.

    A region reaches as far as its cells are at most `depth` thresholds below their start.
    """
    flags = 8 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (1 << 8)
    filled = np.zeros((passed.shape[0] + 2, passed.shape[1] + 2), np.uint8)
    return {
        (x, y): cv2.floodFill(passed, filled, (x, y), 0, depth, 0, flags)[3]
        for x, y in starts
        if not filled[y + 1, x + 1]
    }


def _around(boxes: Iterable[Sequence[int]]) -> _Box:
    """About boxes of `(x, y, width, height)`."""
    corners = [(x, y, x + width, y + height) for x, y, width, height in boxes]
    left, top, right, bottom = zip(*corners, strict=True)
    return min(left), min(top), max(right), max(bottom)


def largest_regions(
    _fine: Float32[np.ndarray, "h w"], passed: UInt8[np.ndarray, "h w"], thresholds: int
) -> list[_Box]:
    """The boxes of the 8-connected regions with most cells (AG-CNN); of equals the first one."""
    return [_largest(passed >= level) for level in range(1, thresholds + 1)]


def _largest(mask: Bool[np.ndarray, "h w"]) -> _Box:
    *_, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    x, y, width, height, _ = stats[1 + stats[1:, cv2.CC_STAT_AREA].argmax()]  # 0: background
    return int(x), int(y), int(x + width), int(y + height)


REGIONS: dict[RegionRule, Region] = {"peak": peak_regions, "largest": largest_regions}
"""Which part of a map draws its box. `largest` counts area, and so prefers what is broad and faint
to what is small and strong; `peak` does not."""


def cut_crop(
    image: UInt8[np.ndarray, "h w"], box: Float[np.ndarray, "4"], *, size: int
) -> UInt8[np.ndarray, "s s"]:
    """The pixels of `box`, resized to a square: area filter when shrinking, else bilinear."""
    x1, y1, x2, y2 = pixel_box(box, width=image.shape[1], height=image.shape[0])
    shrinks = (x2 - x1) >= size and (y2 - y1) >= size
    filter_ = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image[y1:y2, x1:x2], (size, size), interpolation=filter_))


def cut_sheet(
    image: UInt8[np.ndarray, "h w"], boxes: Float[np.ndarray, "k 4"], *, size: int
) -> UInt8[np.ndarray, "s s"]:
    """The crops of an image side by side, as one square: row by row, each of the same size.

    Args:
        image: at the cache's size.
        boxes: 1, 4 or 9 of them; xyxy, fractions of the image.
        size: side of the square, in pixels: a multiple of the number of crops in a row.
    """
    across = math.isqrt(len(boxes))
    crops = [cut_crop(image, box, size=size // across) for box in boxes]
    rows = [np.hstack(crops[at : at + across]) for at in range(0, len(crops), across)]
    return np.vstack(rows)


def cut_crops(
    images: Shards, placed: pd.DataFrame, *, size: int
) -> Iterator[dict[str, np.ndarray]]:
    """The crops of every image, as rows for `write_shards`; `placed` has schema CROPS.

    Cut by a thread for each core, some hundreds ahead at most.
    """
    boxes = placed[["x1", "y1", "x2", "y2"]].to_numpy().reshape(len(images), -1, 4)

    def cut(row: int) -> dict[str, np.ndarray]:
        return {"image": cut_sheet(images[row], boxes[row], size=size)}

    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(boxes), _AHEAD):
            yield from pool.map(cut, range(start, min(start + _AHEAD, len(boxes))))
