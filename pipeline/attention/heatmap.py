"""Heatmaps: what a look at a batch says of each image, and of each finding on it."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.attention import formulas
from pipeline.attention.formulas import FeatureMaps, OfFinding, OfFindings, Weight
from pipeline.attention.look import Look
from pipeline.attention.score_cam import scorecam

Heatmap = Callable[[Look], Float[Tensor, "b m h w"]]
"""A look to non-negative maps; m is 1 where the method knows no finding, else f."""

ByGradient = Callable[[FeatureMaps, FeatureMaps], OfFinding]
"""From maps and the gradient of one finding's logit to that finding's map."""


def attention(looked: Look) -> Float[Tensor, "b 1 h w"]:
    """`max_k |A_k|`: where the image excites any channel (AG-CNN, arXiv:1801.09927, Eq. 2)."""
    return looked.maps.detach().abs().amax(dim=1, keepdim=True)


def cam(looked: Look) -> OfFindings:
    """The ReLU of the evidence that is pooled to the logit; elsewhere of HiResCAM's.

    CAM (arXiv:1512.04150) where there is a plain mean, and the same map where there is another.
    Elsewhere than before pooling, and of capsules anywhere, HiResCAM is what CAM is where it is
    defined: `sum_k A_k dy/dA_k` in every cell.
    """
    evidence = looked.evidence
    if evidence is not None:
        return evidence.detach().relu()
    return _by_gradient(formulas.hirescam, looked)


def _by_gradient(formula: ByGradient, looked: Look) -> OfFindings:
    maps = looked.maps.detach()
    return torch.stack([formula(maps, one) for one in looked.gradients], dim=1).relu()


def class_specific(
    formula: ByGradient,
    *,
    pooled: Callable[[FeatureMaps, Weight], OfFindings],
) -> Heatmap:
    """The ReLU of a formula: closed where maps feed pooling and a linear head, else by gradient.

    Args:
        formula: of one finding.
        pooled: the same for all findings at once, from the weight of the linear head.
    """

    def heatmap(looked: Look) -> OfFindings:
        if looked.weight is not None:
            return pooled(looked.maps.detach(), looked.weight.detach()).relu()
        return _by_gradient(formula, looked)

    return heatmap


HEATMAPS: dict[str, Heatmap] = {
    "attention": attention,
    "cam": cam,
    "gradcam": class_specific(formulas.gradcam, pooled=formulas.class_activation),
    "gradcam_pp": class_specific(formulas.gradcam_pp, pooled=formulas.pooled_gradcam_pp),
    "xgradcam": class_specific(formulas.xgradcam, pooled=formulas.class_activation),
    "layercam": class_specific(formulas.layercam, pooled=formulas.pooled_layercam),
    "scorecam": scorecam,
}
