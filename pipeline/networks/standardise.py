"""Each image to zero mean and unit spread, by what lies within the radiograph alone."""

from jaxtyping import Float
from torch import Tensor

_FLAT = 1 / 255
"""The least spread, of images in [0, 1], that is made one: a step of what bytes can hold."""

_SLIVER = 1e-6
"""Less of a pixel than this is none: what is divided by it stays finite."""


def standardised(images: Float[Tensor, "b a s t"]) -> Float[Tensor, "b 1 s t"]:
    """Images to the same mean and spread, so that exposure is none of a network's business.

    Args:
        images: grey in [0, 1]; where there is a second channel it is alpha, the share of each
            pixel that lies within the radiograph. Grey is black beyond it (times alpha).

    Returns:
        What lies beyond the radiograph is 0, its mean, and has no part in mean and spread.
    """
    images = images.float()
    if images.shape[1] == 2:
        return _within(*images.split(1, dim=1))
    mean = images.mean(dim=(2, 3), keepdim=True)
    std = images.std(dim=(2, 3), keepdim=True, correction=0).clamp(min=_FLAT)
    return (images - mean) / std


def _within(
    grey: Float[Tensor, "b 1 s t"], alpha: Float[Tensor, "b 1 s t"]
) -> Float[Tensor, "b 1 s t"]:
    pixels = alpha.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    mean = grey.sum(dim=(2, 3), keepdim=True) / pixels
    apart = grey - alpha * mean
    squares = apart.square() / alpha.clamp(min=_SLIVER)
    std = (squares.sum(dim=(2, 3), keepdim=True) / pixels).sqrt().clamp(min=_FLAT)
    return apart / std
