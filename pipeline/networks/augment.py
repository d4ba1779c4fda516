"""Augmentation on the device: one resampling for a batch, its own parameters per sample."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor
from torch.nn import functional

from pipeline.params.sections import AugmentParams

Tensors = tuple[Float[Tensor, "b ..."], ...]
"""A batch of what a network takes."""

DRAWN = 9
"""Numbers that decide on an image: flip, angle, shift (2), size, window (3), contrast."""

Augment = Callable[[Tensors, Float[Tensor, "9 b"]], Tensors]
"""Prepared inputs and, of each image, `DRAWN` numbers in [0, 1) to what is learnt from."""


def to_unit(images: UInt8[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Bytes to [0, 1]."""
    return images.float() / 255


def prepare(inputs: tuple[Shaped[Tensor, "b ..."], ...]) -> Tensors:
    """Stored inputs to what networks take: bytes are images, all else are numbers as they are."""
    return tuple(to_unit(one) if one.dtype == torch.uint8 else one.float() for one in inputs)


def sampling_matrices(
    drawn: Float[Tensor, "9 b"], params: AugmentParams
) -> Float[Tensor, "b 2 3"]:
    """Where each point of an augmented image comes from.

    Points are `(x, y)` from -1 to 1 between the edges of the image (`affine_grid` without aligned
    corners). In order, an image is cropped to a window, scaled, mirrored, turned about its centre
    and shifted; these matrices lead back.
    """
    centred = drawn * 2 - 1
    mirror = torch.where(drawn[0] < params.flip, -1.0, 1.0)
    angle = torch.deg2rad(centred[1] * params.rotation_degrees)
    shift = 2 * params.shift * centred[2:4]
    size = 1 + params.scale * centred[4]
    window = 1 - params.crop * drawn[5]
    corner = (1 - window) * centred[6:8]
    cos, sin = angle.cos() * window / size, angle.sin() * window / size
    across = torch.stack([mirror * cos, mirror * sin], 1)
    down = torch.stack([-sin, cos], 1)
    turned = torch.stack([across, down], 1)
    origin = corner.T - (turned @ shift.T.unsqueeze(2)).squeeze(2)
    return torch.cat([turned, origin.unsqueeze(2)], 2)


def resample(
    images: Float[Tensor, "b c h w"], matrices: Float[Tensor, "b 2 3"]
) -> Float[Tensor, "b c h w"]:
    """Each image as its matrix samples it, bilinearly; black beyond the edge, as a collimator."""
    grid = functional.affine_grid(matrices.to(images), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", align_corners=False)


def moved_boxes(
    boxes: Float[Tensor, "b 4"], matrices: Float[Tensor, "b 2 3"]
) -> Float[Tensor, "b 4"]:
    """Where `resample` puts a box of each image: the smallest box around its moved corners.

    Boxes are `(x1, y1, x2, y2)` as fractions of the image, and may come to lie beyond it.
    """
    x1, y1, x2, y2 = (boxes * 2 - 1).unbind(1)
    corners = torch.stack([torch.stack([x1, x2, x1, x2], 1), torch.stack([y1, y1, y2, y2], 1)], 1)
    moved = torch.linalg.solve(matrices[:, :, :2], corners - matrices[:, :, 2:])
    return (torch.cat([moved.amin(2), moved.amax(2)], 1) + 1) / 2


def with_contrast(
    images: Float[Tensor, "b 1 h w"], drawn: Float[Tensor, "9 b"], contrast: float
) -> Float[Tensor, "b 1 h w"]:
    """Each image's differences from its own mean times 1 +- at most `contrast`, within [0, 1]."""
    factor = (1 + contrast * (drawn[8] * 2 - 1)).view(-1, 1, 1, 1).to(images)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (mean + factor * (images - mean)).clamp(0, 1)


def augmentation(params: AugmentParams, *, alpha: bool) -> Augment:
    """What `params` asks for, of those inputs that are images: an image and its crop alike.

    Args:
        params: what is drawn.
        alpha: whether images that may be moved beyond their edge get a second channel, how much
            of each pixel lies within the radiograph (a window that was cut out may reach half a
            pixel beyond it): a network that standardises each image leaves out the rest.
    """
    reaches_out = any((params.rotation_degrees, params.shift, params.scale, params.crop))
    moves = reaches_out or params.flip

    def augmented(images: Float[Tensor, "b 1 h w"], drawn: Float[Tensor, "9 b"]) -> Tensor:
        if params.contrast:  # first, so that what is beyond the edge is not in an image's mean
            images = with_contrast(images, drawn, params.contrast)
        if not moves:
            return images
        seen = images
        if alpha and reaches_out:
            seen = torch.cat([images, torch.ones_like(images)], 1)
        return resample(seen, sampling_matrices(drawn, params))

    def augment(inputs: Tensors, drawn: Float[Tensor, "9 b"]) -> Tensors:
        return tuple(augmented(one, drawn) if one.ndim == 4 else one for one in inputs)

    return augment


def as_they_are(inputs: Tensors, drawn: Float[Tensor, "9 b"]) -> Tensors:  # noqa: ARG001
    """No augmentation."""
    return inputs
