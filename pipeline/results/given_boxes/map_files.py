"""Anybody's heatmaps: numpy's files, each map over the whole image."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from jaxtyping import Float32

from pipeline.attention.crop import FINE_GRID, BoxRule
from pipeline.base.files import read_json
from pipeline.base.grid import Grid, tiles
from pipeline.errors import ArtifactError
from pipeline.results.given_boxes.box_files import MISS, Detected, misses
from pipeline.results.given_boxes.map_places import (
    EXPECTED,
    MAP_ENDINGS,
    FoundMaps,
    MapPlace,
    find_maps,
    read_maps,
)
from pipeline.results.localisation.boxed_findings import Case
from pipeline.results.localisation.detections import draw
from pipeline.results.localisation.overlap import Detection

GRID = "grid.json"
"""In a folder of maps: where their cells look, as the pipeline notes it beside its own."""

NO_MAP = MISS._replace(energy=0.0)
"""Of a case of which there is no map: as `detect` of an empty one."""


def holds_maps(path: Path) -> bool:
    """Whether this is a path of heatmaps, by its name: a folder, or a file of numpy's."""
    return path.is_dir() or path.suffix in MAP_ENDINGS


def detect_in_map_files(
    path: Path, cases: Sequence[Case], images: pd.DataFrame, rule: BoxRule
) -> Detected:
    """What each case's heatmap says, from a folder of .npy and .npz files, or from one of them.

    A heatmap of any shape covers the whole image in equal tiles, unless the folder's `GRID` says
    where its cells look. Values below 0 count as none.

    Args:
        path: `EXPECTED` says how maps are named.
        cases: that are judged; of other images no map is read.
        images: all that there are: image_index.
        rule: how a map becomes a box.

    Raises:
        ArtifactError: a name is of no image or finding, a file is no such map, no map is of a
            case, or the grid is none of theirs.
    """
    found = find_maps(path, images, {case.image_index for case in cases})
    grid = _grid(path)
    wanted = [found.places.get(case.image_index, {}).get(case.finding) for case in cases]
    said = [
        _detected(heatmap, place, case, rule, grid)
        for heatmap, place, case in zip(read_maps(wanted), wanted, cases, strict=True)
    ]
    sides = [side for side, _ in said if side]
    if not sides:
        raise ArtifactError(
            f"{path}: holds no map of a finding that radiologists boxed on that image; cases "
            f"are such as {cases[0].finding} on {cases[0].image_index}; {EXPECTED}"
        )
    detections = [one for _, one in said]
    missed = [case for place, case in zip(wanted, cases, strict=True) if place is None]
    empty = sum(one.box is None for one in detections) - len(missed)
    read = [
        _about_files(path, found, rule, grid),
        f"  {len(sides):,} of its maps are of cases"
        + (f", {empty:,} of them say nothing: no value is above 0" if empty else ""),
        misses(missed, total=len(cases), what="map"),
    ]
    return Detected(detections, read, "heatmaps", (sides[0], sides[0]), grid)


def _about_files(path: Path, found: FoundMaps, rule: BoxRule, grid: Grid | None) -> str:
    """What is read, and how it becomes boxes, in words."""
    others = _not_read(path)
    of = "each map's own histogram" if rule.threshold == "otsu" else "its maximum"
    return (
        f"{path.name}: {found.files:,} files of {found.images:,} images, {found.boxed:,} of which "
        f"have cases; box above {rule.threshold} of {of}, region {rule.region}"
        + (f"; cells look where its {GRID} says" if grid else "")
        + (f"; not read: {others:,} others" if others else "")
    )


def _not_read(path: Path) -> int:
    """How many files of a folder are neither maps nor their grid."""
    if not path.is_dir():
        return 0
    return sum(file.suffix not in MAP_ENDINGS and file.name != GRID for file in path.iterdir())


def _grid(path: Path) -> Grid | None:
    """Where the cells of a folder's maps look, if it says so."""
    note = path / GRID
    if not note.is_file():
        return None
    told = read_json(note)
    try:
        return Grid(first=float(told["first"]), step=float(told["step"]))
    except (TypeError, KeyError, ValueError):
        raise ArtifactError(
            f"{note}: expected first and step, as fractions of the image: where the first cell "
            "looks, and how far it is to the next"
        ) from None


def _detected(
    heatmap: Float32[np.ndarray, "h w"] | None,
    place: MapPlace | None,
    case: Case,
    rule: BoxRule,
    grid: Grid | None,
) -> tuple[int, Detection]:
    """Cells a side of the case's map, and what it says; 0 of a case without one."""
    if heatmap is None:
        return 0, NO_MAP
    if grid is not None:
        _expect_on_grid(heatmap, grid, place)
        return len(heatmap), draw(heatmap, grid, case).detect(rule)
    square = as_square(heatmap)
    return len(square), draw(square, tiles(len(square)), case).detect(rule)


def _expect_on_grid(
    heatmap: Float32[np.ndarray, "h w"], grid: Grid, place: MapPlace | None
) -> None:
    height, width = heatmap.shape
    last = grid.first + grid.step * (max(height, width) - 1)
    if height != width or not (0 <= grid.first <= last <= 1):
        raise ArtifactError(
            f"{place}: a map of {height} x {width} cells, of which the last would look at "
            f"{last:.3g} of the image by {GRID}; expected a square map within it, or no {GRID}: "
            "then cells are equal tiles"
        )


def as_square(heatmap: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "n n"]:
    """The map in square tiles: as it is, or drawn between the cells of one that is not square."""
    height, width = heatmap.shape
    if height == width:
        return heatmap
    side = max(FINE_GRID, height, width)
    drawn = cv2.resize(np.maximum(heatmap, 0), (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(drawn, np.float32)
