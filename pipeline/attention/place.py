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


_NOWHERE = Crop(WHOLE_IMAGE, WHOLE, None)


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
    probability, the frequent ones would draw the crops of all images. Each of these findings that
    has no evidence leaves its window to attention, where no other window lies.

    Args:
        heatmaps: as in `place_crops`.
        row: the image's.
        logits: the image's.
        prior: as in `place_crops`.
        crop: the section of params.yaml.
    """
    draw, groups = _asked(logits, prior, crop)
    stack, grid = heatmaps[crop.method][row], heatmaps[crop.method].grid
    own = [_crop(draw(_maps(stack, group, crop), grid, crop), crop.method) for group in groups]
    attention, grid = {"": heatmaps[ATTENTION][row][0]}, heatmaps[ATTENTION].grid
    taken, crops = [one.box for one in own if one], []
    for one in own:
        elsewhere = partial(draw_window, taken=taken) if crop.windows else draw_region
        found = one or _crop(elsewhere(attention, grid, crop), ATTENTION) or _NOWHERE
        taken += [] if one else [found.box]
        crops.append(found)
    return crops


def _asked(
    logits: OfFindings, prior: OfFindings, crop: CropParams
) -> tuple[Draw, list[Int[np.ndarray, " k"]]]:
    """What draws the crops of an image, and for each of them the findings whose maps are asked."""
    if crop.windows:
        return draw_window, [*_first(logits - prior, crop.windows)[:, None]]
    return draw_region, [_first(np.where(np.isinf(prior), -np.inf, logits), crop.top)]


def _first(values: OfFindings, number: int) -> Int[np.ndarray, " k"]:
    return np.argsort(-values, kind="stable")[:number]


def _maps(
    stack: Float[np.ndarray, "_m h w"], findings: Int[np.ndarray, " k"], crop: CropParams
) -> MapsOfImage:
    if crop.method == ATTENTION:
        return {"": stack[0]}
    return {FINDINGS[one]: stack[one] for one in findings}


def _crop(found: tuple[Box, list[str]] | None, source: str) -> Crop | None:
    """None where a map says nothing about where to look: empty, or above the threshold all over.

    Nor does a crop that would be the whole image.
    """
    if found is None or fills_image(found[0]):
        return None
    box, names = found
    return Crop(box, source, "|".join(name for name in names if name) or None)


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
    maps: MapsOfImage, grid: Grid, crop: CropParams, taken: Sequence[Box] = ()
) -> tuple[Box, list[str]] | None:
    """The square of most evidence outside the boxes that are taken, of one map."""
    ((name, heatmap),) = maps.items()
    box = evidence_window(heatmap, grid, side=crop.side, taken=taken)
    return None if box is None else (box, [name])


def _tell(sources: pd.Series, method: str) -> None:
    counts = Counter(sources)
    log.info(
        "%s of %s crops are drawn by %s, %s by attention in its place, %s are the whole image",
        f"{counts[method]:,}", f"{len(sources):,}", method,
        f"{counts[ATTENTION] if method != ATTENTION else 0:,}", f"{counts[WHOLE]:,}",
    )  # fmt: skip
