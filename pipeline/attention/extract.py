"""Heatmaps and crop boxes of a whole cohort, in bounded memory."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.artifacts.heatmaps import Maps
from pipeline.artifacts.shards import Shards, expect_rows
from pipeline.attention.crop import WHOLE_IMAGE, crop_box, fills_image
from pipeline.attention.heatmap import HEATMAPS
from pipeline.errors import ArtifactError, ParamsError
from pipeline.networks.branch import Branch
from pipeline.networks.device import settle
from pipeline.params.sections import CropParams
from pipeline.training.augment import to_unit
from pipeline.training.rows import image_batches

log = logging.getLogger(__name__)


def seen_rows(
    branch: Branch, shards: Shards, methods: Sequence[str], *, size: int, flip: bool
) -> Iterator[dict[str, np.ndarray]]:
    """What a branch sees in every image, in fp32, as rows for `write_shards`.

    Per method one float16 grid `(findings or 1, h, w)`, and the pooled features as "pooled": the
    fusion head's share of the same forward pass; with `flip`, the mean of those of the image and
    of its mirror image.

    Raises:
        ParamsError: an unknown method.
    """
    unknown = [name for name in methods if name not in HEATMAPS]
    if unknown:
        raise ParamsError(
            f"heatmap.methods: unknown {', '.join(unknown)}; expected any of {', '.join(HEATMAPS)}"
        )
    device = settle(branch)
    branch.eval()
    for images in image_batches(shards, size=size):
        maps = _seen(branch, images.to(device), methods, flip=flip)
        for position in range(len(images)):
            yield {name: values[position] for name, values in maps.items()}


@torch.inference_mode()
def _seen(
    branch: Branch, images: UInt8[Tensor, "b 1 s s"], methods: Sequence[str], *, flip: bool
) -> dict[str, Float[np.ndarray, "b ..."]]:
    feature_map = branch.feature_map(to_unit(images))
    pooled = branch.readout(feature_map)
    if flip:
        pooled = (pooled + branch.pooled(to_unit(images).flip(-1))) / 2
    maps = {name: HEATMAPS[name](branch, feature_map) for name in methods}
    seen = {name: grids.half().cpu().numpy() for name, grids in maps.items()}
    for name, grids in seen.items():
        if not np.isfinite(grids).all():
            raise ArtifactError(
                f"{name} heatmaps exceed float16, in which they are written; were the branch's "
                "weights trained to an end?"
            )
    return seen | {"pooled": pooled.cpu().numpy()}


def place_crops(index: pd.DataFrame, heatmaps: Maps, crop: CropParams) -> pd.DataFrame:
    """Where each image's crop is cut (schema CROPS).

    A method with a map per finding is reduced to its maximum over findings. A map that is empty,
    or above the threshold all over, says nothing about where to look: its crop is the whole
    image, and `source` says so.
    """
    expect_rows(len(heatmaps), index, of="heatmaps")
    boxes, sources = [], []
    for row in range(len(heatmaps)):
        box = crop_box(
            heatmaps[row].max(axis=0),
            heatmaps.grid,
            threshold=crop.threshold,
            margin=crop.margin,
            min_side=crop.min_side,
        )
        boxes.append(WHOLE_IMAGE if box is None else box)
        sources.append("whole image" if fills_image(boxes[-1]) else crop.method)
    placed = pd.DataFrame(np.stack(boxes), columns=["x1", "y1", "x2", "y2"])
    placed.insert(0, "image_index", index["image_index"].to_numpy())
    placed["source"] = sources
    nowhere = sources.count("whole image")
    log.info("%s of %s crops are the whole image", f"{nowhere:,}", f"{len(sources):,}")
    return placed
