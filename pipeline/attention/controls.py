"""The same network with random weights: a map that survives that explains nothing of the image.

Adebayo et al., Sanity Checks for Saliency Maps (arXiv:1810.03292).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.artifacts.shards import Shards
from pipeline.attention.heatmap import HEATMAPS
from pipeline.attention.look import look
from pipeline.networks.branch import Branch
from pipeline.networks.device import exact, settle
from pipeline.networks.layers import Layer
from pipeline.training.augment import to_unit
from pipeline.training.rows import image_batches

_BATCH = 16


def boxed_images(boxes: pd.DataFrame, index: pd.DataFrame, *, wanted: bool) -> pd.Series:
    """Names of the images that have a radiologist's box, by their row in the index.

    None where no controls are wanted.
    """
    return index.loc[index["image_index"].isin(boxes["image_index"]) & wanted, "image_index"]


def control_rows(
    branch: Branch, layer: Layer, shards: Shards, methods: Sequence[str], rows: np.ndarray
) -> Iterator[dict[str, np.ndarray]]:
    """Maps of some images, as rows for `write_shards`, each divided by its maximum.

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
