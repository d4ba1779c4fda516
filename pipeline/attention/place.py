"""Which heatmaps draw the crops of each image, and where those lie."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from pipeline.attention.boxes import WHOLE_IMAGE, enclosing_box, fills_image, grow_box
from pipeline.attention.crop import BoxRule, heatmap_box
from pipeline.attention.heatmaps import Maps
from pipeline.attention.window import evidence_window
from pipeline.base.findings import FINDINGS
from pipeline.base.grid import Grid
from pipeline.base.shards import expect_rows
from pipeline.base.tables import CROPS
from pipeline.params.sections import CropParams

log = logging.getLogger(__name__)

ATTENTION: Final = "attention"
"""The method that knows no finding: AG-CNN's, and what a map that says nothing falls back to."""

WHOLE = "whole image"
"""The source of a crop for which no map had anything to say."""

Box = Float[np.ndarray, "4"]
OfFindings = Float[np.ndarray, " f"]

MapsOfImage = Mapping[str, Float[np.ndarray, "h w"]]
"""An image's maps by finding; "" for all findings."""

Draw = Callable[[MapsOfImage, Grid, CropParams], tuple[Box, list[str]] | None]
"""A box, and the findings whose maps drew it; None where they do not say where to look."""


class Crop(NamedTuple):
    """Where a crop is cut, and what drew it."""

    box: Box
    """xyxy, fractions of the image."""
    source: str
    """The heatmap's method, or `WHOLE`."""
    finding: str | None
    """Whose maps those were, joined by NIH's own bar; None for a map that knows none."""


def place_crops(
    index: pd.DataFrame,
    heatmaps: Mapping[str, Maps],
    logits: Float[np.ndarray, "n f"],
    prior: OfFindings,
    crop: CropParams,
) -> pd.DataFrame:
    """Where each image's crops are cut, and what drew them (schema CROPS).

    Args:
        index: of the images (schema INDEX).
        heatmaps: by method, with those of `crop.method` and of attention.
        logits: of the branch whose heatmaps they are, in the order of `FINDINGS`.
        prior: its logits of an image of which nothing is known; infinite for a finding that it
            has not learnt, whose maps say nothing: such a finding comes last.
        crop: the section of params.yaml.
    """
    for name in {crop.method, ATTENTION}:
        expect_rows(len(heatmaps[name]), index, of=f"{name} heatmaps")
    placed = pd.DataFrame(
        [
            (name, *one.box, one.source, one.finding)
            for row, name in enumerate(index["image_index"])
            for one in place(heatmaps, row, logits[row], prior, crop)
        ],
        columns=CROPS.names,
    )
    _tell(placed["source"], crop.method)
    return placed


def place(
    heatmaps: Mapping[str, Maps],
    row: int,
    logits: OfFindings,
    prior: OfFindings,
    crop: CropParams,
) -> list[Crop]:
    """An image's crops: a region of its most probable findings, or windows, one for a finding.

    Windows are of the findings whose logits are furthest above what is usual: ranked by
    probability, the frequent ones would draw the crops of all images. Where several of them have
    no evidence of their own, attention draws as many different windows in their place.

    Args:
        heatmaps: as in `place_crops`.
        row: the image's.
        logits: the image's.
        prior: as in `place_crops`.
        crop: the section of params.yaml.
    """
    sources: list[str] = [crop.method, ATTENTION]
    seen = {name: (heatmaps[name][row], heatmaps[name].grid) for name in dict.fromkeys(sources)}
    if not crop.windows:
        learnt = np.where(np.isinf(prior), -np.inf, logits)
        return [_drawn(seen, _first(learnt, crop.top), crop, draw_region)]
    crops: list[Crop] = []
    for one in _first(logits - prior, crop.windows)[:, None]:
        elsewhere = partial(draw_window, taken=[before.box for before in crops])
        crops.append(_drawn(seen, one, crop, elsewhere))
    return crops


def _first(values: OfFindings, number: int) -> Int[np.ndarray, " k"]:
    return np.argsort(-values, kind="stable")[:number]


def _drawn(
    seen: Mapping[str, tuple[Float[np.ndarray, "_m h w"], Grid]],
    findings: Int[np.ndarray, " k"],
    crop: CropParams,
    draw: Draw,
) -> Crop:
    """By the maps of findings, or by attention where they say nothing, or the whole image.

    A map that is empty, or above the threshold all over, says nothing about where to look, nor
    does a crop that would be the whole image.
    """
    for source, (stack, grid) in seen.items():
        maps = {"": stack[0]}
        if source != ATTENTION:
            maps = {FINDINGS[one]: stack[one] for one in findings}
        found = draw(maps, grid, crop)
        if found is not None and not fills_image(found[0]):
            box, names = found
            return Crop(box, source, "|".join(name for name in names if name) or None)
    return Crop(WHOLE_IMAGE, WHOLE, None)


def draw_region(maps: MapsOfImage, grid: Grid, crop: CropParams) -> tuple[Box, list[str]] | None:
    """The box around the regions above the threshold (AG-CNN's, of one map)."""
    rule = BoxRule(crop.threshold, crop.region)
    drawn = {name: heatmap_box(one, grid, rule) for name, one in maps.items()}
    boxes = {name: box for name, box in drawn.items() if box is not None and not fills_image(box)}
    if not boxes:
        return None
    joined = enclosing_box(np.stack(list(boxes.values())))
    return grow_box(joined, margin=crop.margin, min_side=crop.min_side), list(boxes)


def draw_window(
    maps: MapsOfImage, grid: Grid, crop: CropParams, taken: Sequence[Box]
) -> tuple[Box, list[str]] | None:
    """The square of most evidence, of one map; of attention's map, outside the windows taken.

    A finding's window lies where its own evidence is, whatever else was cut there: it has the
    lesion in its middle.
    """
    ((name, heatmap),) = maps.items()
    box = evidence_window(heatmap, grid, side=crop.side, taken=() if name else taken)
    return None if box is None else (box, [name])


def _tell(sources: pd.Series, method: str) -> None:
    counts = Counter(sources)
    log.info(
        "%s of %s crops are drawn by %s, %s by attention in its place, %s are the whole image",
        f"{counts[method]:,}", f"{len(sources):,}", method,
        f"{counts[ATTENTION] if method != ATTENTION else 0:,}", f"{counts[WHOLE]:,}",
    )  # fmt: skip
