"""Heatmaps from one forward pass: functions of feature maps and the linear head alone.

Every branch is `features -> ReLU -> global average pooling -> linear head`, so the gradient of
a logit with respect to its feature maps is constant in space and Grad-CAM, XGrad-CAM and
HiResCAM are all CAM: no backward pass is needed for any finding.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Heatmap = Callable[[Float[Tensor, "b k h w"], Float[Tensor, "f k"]], Float[Tensor, "b m h w"]]
"""Feature maps and head weights to maps; m is 1 where the method knows no finding, else f."""


def attention(
    feature_map: Float[Tensor, "b k h w"],
    head_weight: Float[Tensor, "f k"],  # noqa: ARG001
) -> Float[Tensor, "b 1 h w"]:
    """`max_k |A_k|`: where the image excites any channel (AG-CNN, arXiv:1801.09927, Eq. 2)."""
    return feature_map.abs().amax(dim=1, keepdim=True)


def cam(
    feature_map: Float[Tensor, "b k h w"], head_weight: Float[Tensor, "f k"]
) -> Float[Tensor, "b f h w"]:
    """`ReLU(sum_k w_k A_k)` for every finding (Zhou et al., arXiv:1512.04150, Eq. 2)."""
    return torch.einsum("bkhw,fk->bfhw", feature_map, head_weight).relu()


HEATMAPS: dict[str, Heatmap] = {"attention": attention, "cam": cam}
