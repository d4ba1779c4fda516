"""Heatmaps and pooled features of a whole cohort, from one pass and in bounded memory."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.artifacts.shards import Shards
from pipeline.attention.heatmap import HEATMAPS
from pipeline.attention.look import Look, feeds_pooling, look
from pipeline.errors import ArtifactError
from pipeline.networks.branch import Branch
from pipeline.networks.device import exact, settle
from pipeline.networks.layers import Layer
from pipeline.training.augment import to_unit
from pipeline.training.rows import FORWARD, image_batches

_GRADIENT_BYTES = 2**28  # what the gradients of a batch may take, of all findings


def seen_rows(
    branch: Branch,
    layer: Layer,
    shards: Shards,
    methods: Sequence[str],
    *,
    flip: bool,
    rows: np.ndarray | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """What a branch sees in every image, in fp32, as rows for `write_shards`.

    Per method one float16 grid `(findings or 1, h, w)`, and the pooled features as "pooled": the
    fusion head's share of the same forward pass; with `flip`, the mean of those of the image and
    of its mirror image.

    Args:
        branch: any.
        layer: of it, which the heatmaps show.
        shards: the images.
        methods: entries of `HEATMAPS`.
        flip: see above.
        rows: of the shards; all without.
    """
    device = settle(branch)
    branch.eval()
    size, batch = branch.spec.input_size, _batch(branch, layer)
    for images in image_batches(shards, size=size, rows=rows, batch=batch):
        with exact(device):
            seen = _seen(branch, layer, to_unit(images.to(device)), methods, flip=flip)
        for position in range(len(images)):
            yield {name: values[position] for name, values in seen.items()}


def _batch(branch: Branch, layer: Layer) -> int:
    """Images at a time: fewer where every finding has a gradient as large as the maps."""
    if feeds_pooling(branch, layer):
        return FORWARD
    of_image = 4 * len(branch.spec.findings) * int(np.prod(layer.shape))
    return max(1, min(FORWARD, _GRADIENT_BYTES // of_image))


def _seen(
    branch: Branch,
    layer: Layer,
    images: Float[Tensor, "b 1 s s"],
    methods: Sequence[str],
    *,
    flip: bool,
) -> dict[str, Float[np.ndarray, "b ..."]]:
    looked = look(branch, images, layer)
    pooled = looked.pooled.detach()
    if flip:
        with torch.no_grad():
            pooled = (pooled + branch.pooled(images.flip(-1))) / 2
    return {**halved(looked, methods), "pooled": pooled.cpu().numpy()}


def halved(looked: Look, methods: Sequence[str]) -> Mapping[str, Float[np.ndarray, "b m h w"]]:
    """The maps of each method in float16: 1.4 kB for an image's 14 findings on a grid of 7 x 7.

    Raises:
        ArtifactError: a value is none, or beyond float16.
    """
    maps = {name: HEATMAPS[name](looked).half().cpu().numpy() for name in methods}
    for name, grids in maps.items():
        if not np.isfinite(grids).all():
            raise ArtifactError(
                f"{name} heatmaps exceed float16, in which they are written; were the branch's "
                "weights trained to an end?"
            )
    return maps


def pooled_logits(branch: Branch, pooled: Shards) -> Float[np.ndarray, "n f"]:
    """The branch's logits of every image, from its pooled features."""
    branch.cpu()
    blocks = [
        torch.from_numpy(pooled.gather(rows))
        for rows in np.array_split(np.arange(len(pooled)), max(1, len(pooled) // 1024))
    ]
    with torch.no_grad():
        return torch.cat([branch.logits(block) for block in blocks]).numpy()
