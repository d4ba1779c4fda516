"""Every test image as the page's browser shows it: small, with heatmaps as numbers."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import Float

from pipeline.base.cores import cores
from pipeline.base.findings import FINDINGS
from pipeline.base.grid import Grid
from pipeline.results.pictures.gallery import Box
from pipeline.results.pictures.overlays import fit, jpeg
from pipeline.results.pictures.radiographs import Radiographs

THUMBNAIL_PX = 192

MOST_CELLS = 16
"""On a side of a map that is kept: of more, neighbours are joined in their mean."""

PER_MILLE = 1000
"""Boxes are whole numbers of this part of a side."""

_AHEAD = 256

Case = dict[str, Any]
"""One test image, JSON-able: `image`, a JPEG; `maps`, a byte for each cell, one map behind the
other; `predicted`, a box or None for each map; by finding `truths` (boxes) and `ious`; `crops`.
JPEG and maps are base64."""


def draw_cases(radiographs: Radiographs, method: str) -> Iterator[Case]:
    """The test images of the ensemble's table, in its order.

    Args:
        radiographs: of one member.
        method: whose heatmaps, and boxes by them, are kept.
    """

    def draw(name: str) -> Case:
        return _case(radiographs, name, method)

    names = list(radiographs.test.index)
    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(names), _AHEAD):
            yield from pool.map(draw, names[start : start + _AHEAD])


def about_cases(radiographs: Radiographs, *, member: str, method: str) -> dict[str, Any]:
    """What all cases share: whose maps, of which findings, of how many cells that look where."""
    maps = radiographs.heatmaps[method]
    one, grid = coarse(maps[0][0], maps.grid)
    return {
        "member": member,
        "method": method,
        "mapped": mapped_findings(radiographs, method),
        "cells": list(one.shape),
        "grid": grid.about(),
    }


def mapped_findings(radiographs: Radiographs, method: str) -> list[str]:
    """Whose maps a case has: of each finding, or the first for all of them."""
    maps = radiographs.heatmaps[method]
    return list(FINDINGS[: len(maps[0])])


def coarse(
    heatmap: Float[np.ndarray, "h w"], grid: Grid, most: int = MOST_CELLS
) -> tuple[Float[np.ndarray, "a b"], Grid]:
    """A map of at most so many cells a side, and where those look."""
    joined = -(-max(heatmap.shape) // most)
    if joined == 1:
        return heatmap, grid
    height, width = heatmap.shape
    padded = np.pad(heatmap, ((0, -height % joined), (0, -width % joined)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // joined, joined, -1, joined)
    first = grid.first + grid.step * (joined - 1) / 2
    return blocks.mean(axis=(1, 3)), Grid(first, grid.step * joined)


def _case(radiographs: Radiographs, name: str, method: str) -> Case:
    image = radiographs.images[radiographs.rows[name]]
    seen = {
        finding: radiographs.seen(name, finding, method)
        for finding in mapped_findings(radiographs, method)
    }
    boxed = [finding for finding in FINDINGS if radiographs.truths(name, finding)]
    ious = {one: (seen.get(one) or radiographs.seen(name, one, method)).iou for one in boxed}
    return {
        "image": jpeg(fit(image, THUMBNAIL_PX)),
        "maps": _bytes([coarse(one.heatmap, one.grid)[0] for one in seen.values()]),
        "predicted": [_whole(one.predicted) for one in seen.values()],
        "truths": {one: list(map(_whole, radiographs.truths(name, one))) for one in boxed},
        "ious": {one: round(iou, 3) for one, iou in ious.items() if iou is not None},
        "crops": list(map(_whole, radiographs.crops_of(name))),
    }


def _bytes(maps: list[Float[np.ndarray, "h w"]]) -> str:
    """Each scaled by its maximum; negative values are none."""
    stack = np.maximum(np.stack(maps), 0)
    peaks = stack.max(axis=(1, 2), keepdims=True)
    scaled = stack / np.where(peaks > 0, peaks, 1)
    return base64.b64encode(np.rint(255 * scaled).astype(np.uint8).tobytes()).decode()


def _whole(box: Box | None) -> list[int] | None:
    return None if box is None else [round(PER_MILLE * float(edge)) for edge in box]
