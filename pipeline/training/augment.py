"""Augmentation on the device: one resampling for a batch, its own parameters per sample."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor
from torch.nn import functional

Tensors = tuple[Float[Tensor, "b ..."], ...]
"""A batch of what a network takes."""


def to_unit(images: UInt8[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Bytes to [0, 1]."""
    return images.float() / 255


def prepare(inputs: tuple[Shaped[Tensor, "b ..."], ...]) -> Tensors:
    """Stored inputs to what networks take: bytes are images, all else are numbers as they are."""
    return tuple(to_unit(one) if one.dtype == torch.uint8 else one.float() for one in inputs)


def random_flip_rotation(
    images: Float[Tensor, "b 1 h w"],
    uniform: Float[Tensor, "2 b"],
    *,
    flip: float,
    rotation_degrees: float,
) -> Float[Tensor, "b 1 h w"]:
    """Each image flipped with probability `flip` and rotated about its centre.

    Angles are uniform within +- `rotation_degrees`; what comes from outside the image is black,
    as beyond the collimator. Bilinear.

    Args:
        images: in [0, 1].
        uniform: two numbers in [0, 1) per image, which decide on its flip and its angle.
        flip: probability.
        rotation_degrees: the largest angle.
    """
    if flip == 0 and rotation_degrees == 0:
        return images
    sign = torch.where(uniform[0] < flip, -1.0, 1.0)
    angle = torch.deg2rad((uniform[1] * 2 - 1) * rotation_degrees)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    theta = torch.stack(
        [torch.stack([sign * cos, -sin, zero], 1), torch.stack([sign * sin, cos, zero], 1)], 1
    )
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", align_corners=False)


def augmentation(*, flip: float, rotation_degrees: float) -> Callable[..., Tensors]:
    """`random_flip_rotation` of those inputs that are images: an image and its crop alike."""

    def augment(inputs: Tensors, generator: torch.Generator) -> Tensors:
        drawn = torch.rand(2, len(inputs[0]), generator=generator).to(inputs[0].device)
        return tuple(
            random_flip_rotation(one, drawn, flip=flip, rotation_degrees=rotation_degrees)
            if one.ndim == 4
            else one
            for one in inputs
        )

    return augment


def as_they_are(inputs: Tensors, generator: torch.Generator) -> Tensors:  # noqa: ARG001
    """No augmentation."""
    return inputs
