"""Heatmaps from one forward pass: functions of a branch and its feature maps.

Behind global average pooling and a linear head the gradient of a logit with respect to the
feature maps is constant in space, so Grad-CAM, XGrad-CAM and HiResCAM are all CAM: no backward
pass is needed for any finding. Capsules need one per finding, from the logit to the maps.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from pipeline.networks.branch import Branch

Heatmap = Callable[[Branch, Float[Tensor, "b k h w"]], Float[Tensor, "b m h w"]]
"""Branch and its feature maps to maps; m is 1 where the method knows no finding, else f."""


def attention(
    branch: Branch,  # noqa: ARG001
    feature_map: Float[Tensor, "b k h w"],
) -> Float[Tensor, "b 1 h w"]:
    """`max_k |A_k|`: where the image excites any channel (AG-CNN, arXiv:1801.09927, Eq. 2)."""
    return feature_map.abs().amax(dim=1, keepdim=True)


def cam(branch: Branch, feature_map: Float[Tensor, "b k h w"]) -> Float[Tensor, "b f h w"]:
    """`ReLU(sum_k w_k A_k)` for every finding (Zhou et al., arXiv:1512.04150, Eq. 2).

    Of a branch with capsules, the positive evidence by gradient: see `Branch.evidence`.
    """
    return branch.evidence(feature_map).relu()


HEATMAPS: dict[str, Heatmap] = {"attention": attention, "cam": cam}
