"""Which heatmap draws the crop of each image, and where that crop lies."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline.attention.boxes import WHOLE_IMAGE, enclosing_box, fills_image, grow_box
from pipeline.attention.crop import BoxRule, heatmap_box
from pipeline.attention.heatmaps import Maps
from pipeline.base.findings import FINDINGS
from pipeline.base.shards import expect_rows
from pipeline.params.sections import CropParams

log = logging.getLogger(__name__)

ATTENTION = "attention"
"""The method that knows no finding: AG-CNN's, and what a map that says nothing falls back to."""

WHOLE = "whole image"
"""The source of a crop for which no map had anything to say."""

Box = Float[np.ndarray, "4"]


def place_crops(
    index: pd.DataFrame,
    heatmaps: Mapping[str, Maps],
    logits: Float[np.ndarray, "n f"],
    crop: CropParams,
) -> pd.DataFrame:
    """Where each image's crop is cut, and what drew it (schema CROPS).

    Maps of a method that knows findings are those of the image's `crop.top` most probable ones;
    their boxes are joined to the smallest box that holds them. A map that is empty, or above the
    threshold all over, says nothing about where to look, nor does a crop that would be the whole
    image: the image's attention map draws its crop then, and if that says nothing either, it is
    the whole image. `source` and `finding` say so.

    Args:
        index: of the images (schema INDEX).
        heatmaps: by method, with those of `crop.method` and of attention.
        logits: of the branch whose heatmaps they are, in the order of `FINDINGS`.
        crop: the section of params.yaml.
    """
    for name in {crop.method, ATTENTION}:
        expect_rows(len(heatmaps[name]), index, of=f"{name} heatmaps")
    drawn = [place_crop(heatmaps, row, one, crop) for row, one in enumerate(logits)]
    placed = pd.DataFrame(np.stack([box for box, *_ in drawn]), columns=["x1", "y1", "x2", "y2"])
    placed.insert(0, "image_index", index["image_index"].to_numpy())
    placed["source"] = [source for _, source, _ in drawn]
    placed["finding"] = [finding for *_, finding in drawn]
    _tell(placed["source"], crop.method)
    return placed


def place_crop(
    heatmaps: Mapping[str, Maps], row: int, logits: Float[np.ndarray, " f"], crop: CropParams
) -> tuple[Box, str, str | None]:
    """An image's crop, what drew it, and of which findings (by NIH's own bar).

    Args:
        heatmaps: as in `place_crops`.
        row: the image's.
        logits: the image's.
        crop: the section of params.yaml.
    """
    rule = BoxRule(crop.threshold, crop.region)
    for source, maps in _candidates(heatmaps, row, logits, crop):
        boxes = {
            finding: box
            for finding, one in maps.items()
            for box in [heatmap_box(one, heatmaps[source].grid, rule)]
            if box is not None and not fills_image(box)
        }
        if boxes:
            joined = enclosing_box(np.stack(list(boxes.values())))
            box = grow_box(joined, margin=crop.margin, min_side=crop.min_side)
            if not fills_image(box):
                return box, source, "|".join(name for name in boxes if name) or None
    return WHOLE_IMAGE, WHOLE, None


def _candidates(
    heatmaps: Mapping[str, Maps], row: int, logits: Float[np.ndarray, " f"], crop: CropParams
) -> Iterator[tuple[str, dict[str, Float[np.ndarray, "h w"]]]]:
    """Sources in the order in which they are tried, and their maps by finding ("" for all)."""
    if crop.method != ATTENTION:
        stack = heatmaps[crop.method][row]
        likely = np.argsort(-logits, kind="stable")[: crop.top]
        yield crop.method, {FINDINGS[finding]: stack[finding] for finding in likely}
    yield ATTENTION, {"": heatmaps[ATTENTION][row][0]}


def _tell(sources: pd.Series, method: str) -> None:
    counts = Counter(sources)
    log.info(
        "%s of %s crops are drawn by %s, %s by attention in its place, %s are the whole image",
        f"{counts[method]:,}", f"{len(sources):,}", method,
        f"{counts[ATTENTION] if method != ATTENTION else 0:,}", f"{counts[WHOLE]:,}",
    )  # fmt: skip
