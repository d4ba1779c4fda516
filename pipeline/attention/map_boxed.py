"""A closer look at the images that radiologists drew boxes on: finer maps, and controls.

A control is the map of the same network with random weights: one that does as well explains
nothing of the image (Adebayo et al., Sanity Checks for Saliency Maps, arXiv:1810.03292).
"""

import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from pipeline.attention.boxed_maps import Mapped
from pipeline.attention.extract import seen_rows
from pipeline.base.shards import Shards
from pipeline.base.watching import Look, nobody, watched
from pipeline.networks.branch import Branch
from pipeline.networks.layers import Layer, find_layer
from pipeline.params.sections import HeatmapParams, MapBoxedParams

log = logging.getLogger(__name__)


def unwatched(*, total: int, label: str) -> Look:  # noqa: ARG001
    """Nobody looks on."""
    return nobody()


def boxed_images(boxes: pd.DataFrame, index: pd.DataFrame) -> pd.Series:
    """Names of the images that have a radiologist's box, by their row in the index."""
    return index.loc[index["image_index"].isin(boxes["image_index"]), "image_index"]


def map_boxed(
    trained: Branch,
    random: Branch,
    shards: Shards,
    rows: np.ndarray,
    heatmap: HeatmapParams,
    closer: MapBoxedParams,
    watch: Callable[..., Look] = unwatched,
) -> dict[str, Mapped]:
    """What there is to compare with the heatmaps of some images, by kind.

    "fine": maps of `map_boxed.methods` at `map_boxed.layer`. With `map_boxed.controls`, "random"
    and "fine_random": the maps of random weights, at the heatmaps' layer and at that one.

    Args:
        trained: a branch.
        random: the same with random weights.
        shards: the images.
        rows: of those to look at.
        heatmap: the section of params.yaml.
        closer: likewise.
        watch: shown the rows of each kind, with their number and the kind.
    """
    plain = find_layer(trained, heatmap.layer)
    layers = [plain, find_layer(trained, closer.layer)]
    finer = bool(closer.methods) and _is_finer(layers[1], plain)
    methods = [heatmap.methods, closer.methods if finer else []]
    wanted = {"fine": (trained, 1)}
    if closer.controls:
        wanted |= {"random": (random, 0), "fine_random": (random, 1)}
    found = {}
    for kind, (branch, which) in wanted.items():
        if methods[which] and len(rows):
            layer = find_layer(branch, [heatmap.layer, closer.layer][which])
            maps = _maps(branch, layer, shards, methods[which], rows)
            found[kind] = Mapped(watched(maps, watch(total=len(rows), label=kind)), layer.grid)
    return found


def _is_finer(layer: Layer, than: Layer) -> bool:
    """Whether there is anything to see closer; of a CapsNet or a transformer there is not."""
    finer = layer.shape[1] > than.shape[1]
    if not finer:
        log.info("map_boxed.layer has no smaller cells here than heatmap.layer: nothing is finer")
    return finer


def _maps(
    branch: Branch, layer: Layer, shards: Shards, methods: Sequence[str], rows: np.ndarray
) -> Iterator[dict[str, np.ndarray]]:
    for row in seen_rows(branch, layer, shards, methods, flip=False, rows=rows, scaled=True):
        yield {name: row[name] for name in methods}
