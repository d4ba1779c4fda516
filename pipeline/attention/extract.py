"""Heatmaps and pooled features of a whole cohort, from one pass and in bounded memory."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.attention.heatmap import HEATMAPS
from pipeline.attention.look import Look, feeds_pooling, look
from pipeline.base.shards import Shards
from pipeline.errors import ArtifactError
from pipeline.networks.augment import to_unit
from pipeline.networks.branch import Branch
from pipeline.networks.device import exact, settle
from pipeline.networks.layers import Layer
from pipeline.networks.rows import FORWARD, image_batches

_USUAL_SIZE = 224  # pixels, for which FORWARD is made
_GRADIENT_BYTES = 2**28  # what the gradients of a batch may take, of all findings


def seen_rows(
    branch: Branch,
    layer: Layer,
    shards: Shards,
    methods: Sequence[str],
    *,
    flip: bool,
    rows: np.ndarray | None = None,
    scaled: bool = False,
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
        scaled: whether each map is divided by its maximum: what random weights make of an image
            has no scale that means anything, and may have one that float16 does not hold.
    """
    device = settle(branch)
    branch.eval()
    size, batch = branch.spec.input_size, _batch(branch, layer)
    for images in image_batches(shards, size=size, rows=rows, batch=batch):
        seen = see(branch, layer, images.to(device), methods, flip=flip, scaled=scaled)
        for position in range(len(images)):
            yield {name: values[position] for name, values in seen.items()}


def see(
    branch: Branch,
    layer: Layer,
    images: UInt8[Tensor, "b 1 s s"],
    methods: Sequence[str],
    *,
    flip: bool,
    scaled: bool = False,
) -> dict[str, np.ndarray]:
    """The same of a batch, stacked: per method `(b, findings or 1, h, w)`, and "pooled".

    Args:
        branch: in eval mode, and where the images are.
        layer: of it.
        images: of its input size.
        methods: entries of `HEATMAPS`.
        flip: as in `seen_rows`.
        scaled: as in `seen_rows`.
    """
    with exact(images.device):
        looked = look(branch, to_unit(images), layer)
        seen = as_float16(looked, methods, scaled=scaled)
        seen["pooled"] = _pooled(looked, flip=flip).cpu().numpy()
    return seen


def _batch(branch: Branch, layer: Layer) -> int:
    """Images at a time: fewer large ones, and fewer where every finding has a gradient."""
    fit = FORWARD * _USUAL_SIZE**2 // branch.spec.input_size**2
    if not feeds_pooling(branch, layer):
        of_image = 4 * len(branch.spec.findings) * int(np.prod(layer.shape))
        fit = min(fit, _GRADIENT_BYTES // of_image)
    return max(1, min(FORWARD, fit))


def _pooled(looked: Look, *, flip: bool) -> Float[Tensor, "b d"]:
    pooled = looked.pooled.detach()
    if not flip:
        return pooled
    with torch.no_grad():
        return (pooled + looked.branch.pooled(looked.images.flip(-1))) / 2


def as_float16(
    looked: Look, methods: Sequence[str], *, scaled: bool
) -> dict[str, Float[np.ndarray, "b ..."]]:
    """The maps of each method: 1.4 kB for an image's 14 findings on a grid of 7 x 7.

    Raises:
        ArtifactError: a value is none, or beyond float16.
    """
    maps = {name: HEATMAPS[name](looked) for name in methods}
    if scaled:
        peaks = {name: one.amax(dim=(2, 3), keepdim=True) for name, one in maps.items()}
        maps = {name: one / peaks[name].where(peaks[name] > 0, 1) for name, one in maps.items()}
    grids = {name: one.half().cpu().numpy() for name, one in maps.items()}
    for name, one in grids.items():
        if not np.isfinite(one).all():
            raise ArtifactError(
                f"{name} heatmaps are no numbers, or exceed float16, in which they are written; "
                "were the branch's weights trained to an end?"
            )
    return grids


def pooled_logits(branch: Branch, pooled: Shards) -> Float[np.ndarray, "n f"]:
    """The branch's logits of every image, from its pooled features."""
    branch.cpu()
    blocks = [
        torch.from_numpy(pooled.gather(rows))
        for rows in np.array_split(np.arange(len(pooled)), max(1, len(pooled) // 1024))
    ]
    with torch.no_grad():
        return torch.cat([branch.logits(block) for block in blocks]).numpy()
