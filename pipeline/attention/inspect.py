"""A closer look at the images that radiologists drew boxes on: finer maps, and controls.

A control is the map of the same network with random weights: one that does as well explains
nothing of the image (Adebayo et al., Sanity Checks for Saliency Maps, arXiv:1810.03292).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.artifacts.inspections import Inspection
from pipeline.artifacts.shards import Shards
from pipeline.attention.heatmap import HEATMAPS
from pipeline.attention.look import look
from pipeline.networks.branch import Branch
from pipeline.networks.device import exact, settle
from pipeline.networks.layers import Layer, find_layer
from pipeline.params.sections import HeatmapParams, InspectParams
from pipeline.training.augment import to_unit
from pipeline.training.rows import image_batches

_BATCH = 16


def boxed_images(boxes: pd.DataFrame, index: pd.DataFrame) -> pd.Series:
    """Names of the images that have a radiologist's box, by their row in the index."""
    return index.loc[index["image_index"].isin(boxes["image_index"]), "image_index"]


def inspections(
    trained: Branch,
    random: Branch,
    shards: Shards,
    rows: np.ndarray,
    heatmap: HeatmapParams,
    inspect: InspectParams,
) -> dict[str, Inspection]:
    """What there is to compare with the heatmaps of some images, by kind.

    "fine": maps of `inspect.methods` at `inspect.layer`. With `inspect.controls`, "random" and
    "fine_random": the maps of random weights, at the heatmaps' layer and at that one.

    Args:
        trained: a branch.
        random: the same with random weights.
        shards: the images.
        rows: of those to look at.
        heatmap: the section of params.yaml.
        inspect: likewise.
    """
    wanted = {
        "fine": (trained, inspect.layer, inspect.methods),
        "random": (random, heatmap.layer, heatmap.methods if inspect.controls else []),
        "fine_random": (random, inspect.layer, inspect.methods if inspect.controls else []),
    }
    found = {}
    for kind, (branch, cells, methods) in wanted.items():
        if methods and len(rows):
            layer = find_layer(branch, cells)
            found[kind] = Inspection(_rows(branch, layer, shards, methods, rows), layer.grid)
    return found


def _rows(
    branch: Branch, layer: Layer, shards: Shards, methods: Sequence[str], rows: np.ndarray
) -> Iterator[dict[str, np.ndarray]]:
    """Maps of some images, each divided by its maximum.

    What random weights make of an image has no scale that means anything, and may have one that
    float16 does not hold.
    """
    device = settle(branch)
    branch.eval()
    size = branch.spec.input_size
    for images in image_batches(shards, size=size, rows=rows, batch=_BATCH):
        with exact(device):
            looked = look(branch, to_unit(images.to(device)), layer)
            maps = {name: _scaled(HEATMAPS[name](looked)) for name in methods}
        for position in range(len(images)):
            yield {name: values[position] for name, values in maps.items()}


def _scaled(maps: Float[Tensor, "b m h w"]) -> Float[np.ndarray, "b m h w"]:
    peaks = maps.amax(dim=(2, 3), keepdim=True)
    return (maps / torch.where(peaks > 0, peaks, 1)).half().cpu().numpy()
