"""Class activation maps as formulas: by the gradient at any layer, and their closed forms.

`A_k` are a layer's maps, `g_k` the gradient of one finding's logit with respect to them. What is
weighed by the gradient itself is multiplied by the number of cells, so that behind global average
pooling and a linear head the mean of such a map is what the image adds to the logit.

There `g_k = w_k / (h w)` in every cell, so that HiResCAM, Grad-CAM and XGrad-CAM are all CAM, and
the closed forms below follow from the formulas by putting that in.
"""

import torch
from jaxtyping import Float
from torch import Tensor

FeatureMaps = Float[Tensor, "b k h w"]
OfFinding = Float[Tensor, "b h w"]
OfFindings = Float[Tensor, "b f h w"]
Weight = Float[Tensor, "f k"]


def hirescam(maps: FeatureMaps, gradient: FeatureMaps) -> OfFinding:
    """`sum_k g_k A_k`, cell by cell (HiResCAM, arXiv:2011.08891, Eq. 3)."""
    return (gradient * maps).sum(dim=1) * _cells(maps)


def gradcam(maps: FeatureMaps, gradient: FeatureMaps) -> OfFinding:
    """`sum_k mean(g_k) A_k` (Grad-CAM, arXiv:1610.02391, Eqs. 1 and 2)."""
    return _weighted(gradient.sum(dim=(2, 3)), maps)


def xgradcam(maps: FeatureMaps, gradient: FeatureMaps) -> OfFinding:
    """`sum_k alpha_k A_k`, `alpha_k = sum(A_k g_k) / sum|A_k|` (XGrad-CAM, arXiv:2008.02312).

    Their Eq. 9, whose `sum(A_k)` is behind a ReLU. Of a layer without one both signs may cancel
    in it, and the quotient would be anything. A channel that is nought adds nothing.
    """
    total = maps.abs().sum(dim=(2, 3))
    shared = (maps * gradient).sum(dim=(2, 3)) * _cells(maps)
    return _weighted(torch.where(total == 0, 0, shared / torch.where(total == 0, 1, total)), maps)


def gradcam_pp(maps: FeatureMaps, gradient: FeatureMaps) -> OfFinding:
    """`alpha_k = sum_ij a_k ReLU(g_k)`, `a_k = 1 / (2 + S_k g_k)` (Grad-CAM++, arXiv:1710.11063).

    Their Eq. 19 with `g^2` cancelled; where g is 0, a is. No eps: at the end of a network `g^2` is
    about 1e-8, and an eps of 1e-6 decides the weights. `S_k = sum ReLU(A_k)`, as theirs behind a
    ReLU, keeps the denominator above 2 elsewhere.
    """
    rising = gradient.relu()
    totals = maps.relu().sum(dim=(2, 3), keepdim=True)
    return _weighted((rising / (2 + totals * rising)).sum(dim=(2, 3)), maps)


def layercam(maps: FeatureMaps, gradient: FeatureMaps) -> OfFinding:
    """`sum_k ReLU(g_k) A_k`, cell by cell (LayerCAM, TIP 2021, Eqs. 6 to 8)."""
    return (gradient.relu() * maps).sum(dim=1) * _cells(maps)


def class_activation(maps: FeatureMaps, weight: Weight) -> OfFindings:
    """`sum_k w_k A_k` (CAM, arXiv:1512.04150, Eq. 2); its mean is the logit less the bias."""
    return torch.einsum("bkhw,fk->bfhw", maps, weight)


def pooled_gradcam_pp(maps: FeatureMaps, weight: Weight) -> OfFindings:
    """`gradcam_pp` behind pooling: `alpha_k = ReLU(w_k) / (2 + w_k mean(A_k))`."""
    rising = weight.relu()
    means = maps.relu().mean(dim=(2, 3))
    return torch.einsum("bkhw,bfk->bfhw", maps, rising / (2 + means[:, None] * rising))


def pooled_layercam(maps: FeatureMaps, weight: Weight) -> OfFindings:
    """`layercam` behind pooling: CAM of the positive weights."""
    return class_activation(maps, weight.relu())


def _weighted(alpha: Float[Tensor, "b k"], maps: FeatureMaps) -> OfFinding:
    return torch.einsum("bk,bkhw->bhw", alpha, maps)


def _cells(maps: FeatureMaps) -> int:
    return maps.shape[2] * maps.shape[3]
