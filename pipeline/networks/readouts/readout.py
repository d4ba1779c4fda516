"""From feature maps to the vector that is classified, and back to where its evidence lies."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from pipeline.networks.readouts.capsule import (
    DIMENSIONS,
    SIDE,
    CapsNet,
    ClassCapsules,
    length_logits,
    squash,
)
from pipeline.networks.readouts.pooling import (
    Attention,
    EvidencePooling,
    GeneralisedMean,
    LogSumExp,
    Mean,
    ProbabilisticCam,
)

_MASK_SCALE = 4  # 7 x 7 cells, of 224 pixels at stride 32, become 28 x 28


class PickLogits(nn.Module):
    """The head behind a readout that ends in logits: picks them. Nothing in it is learnt."""

    def __init__(self, pooled: int, findings: int) -> None:
        super().__init__()
        picks = torch.cat([torch.zeros(findings, pooled - findings), torch.eye(findings)], dim=1)
        self.register_buffer("weight", picks)
        self.register_buffer("bias", torch.zeros(findings))
        self.weight: Tensor
        self.bias: Tensor

    def forward(self, pooled: Float[Tensor, "b d"]) -> Float[Tensor, "b f"]:
        """Logits."""
        return functional.linear(pooled, self.weight, self.bias)


class GlobalAverage(nn.Module):
    """The mean of each feature map over its cells."""

    def forward(self, feature_map: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k"]:
        """One value per channel."""
        return feature_map.mean(dim=(2, 3))


class Capsules(nn.Module):
    """A capsule per finding, read from the first layer's maps; its logit is its own length.

    The vector is `[squashed capsules (f x 16), their length logits (f)]`: all that routing has
    found goes to the fusion head, and the head of the branch (`PickLogits`) picks the logits.
    """

    def __init__(self, findings: int) -> None:
        super().__init__()
        self.classes = ClassCapsules(findings)

    def forward(self, feature_map: Float[Tensor, "b k 20 20"]) -> Float[Tensor, "b d"]:
        """Capsules and logits, in fp32."""
        return _capsule_vector(self.classes(feature_map))


class CapsuleCascade(nn.Module):
    """A backbone's feature maps as a 28 x 28 mask, and a CapsNet on that (the cascades).

    16 channels of a 7 x 7 grid are as many numbers as a 28 x 28 mask has, and laid out by place
    (pixel shuffle) they are one, on which a cell still means the part of the radiograph that it
    meant before. Another grid's mask is resized to 28 x 28. The sigmoid gives the CapsNet, which
    was pretrained on radiographs, the grey levels in [0, 1] that it knows.
    """

    def __init__(self, channels: int, findings: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, _MASK_SCALE**2, kernel_size=1)
        self.capsnet = CapsNet(findings)

    def mask(self, feature_map: Float[Tensor, "b k h w"]) -> Float[Tensor, "b 1 28 28"]:
        """What the CapsNet sees."""
        mask = functional.pixel_shuffle(self.project(feature_map), _MASK_SCALE).sigmoid().float()
        if mask.shape[-2:] == (SIDE, SIDE):
            return mask
        down, across = (_resizing(size, mask.device) for size in mask.shape[-2:])
        return down @ mask @ across.T

    def forward(self, feature_map: Float[Tensor, "b k h w"]) -> Float[Tensor, "b d"]:
        """Capsules and logits, in fp32, as those of `Capsules`."""
        return _capsule_vector(self.capsnet(self.mask(feature_map)))


def _resizing(size: int, device: torch.device) -> Float[Tensor, "28 size"]:
    """The matrix that resizes a column of `size` numbers, bilinearly and antialiased.

    A product, because a GPU has no deterministic gradient of the resampling itself.
    """
    columns = torch.eye(size, device=device)[None, None]
    resized = functional.interpolate(columns, (SIDE, size), mode="bilinear", antialias=True)
    return resized[0, 0]


def _capsule_vector(capsules: Float[Tensor, "b j e"]) -> Float[Tensor, "b d"]:
    capsules = capsules.float()
    return torch.cat([squash(capsules).flatten(1), length_logits(capsules)], dim=1)


Readout = GlobalAverage | EvidencePooling | Capsules | CapsuleCascade

Pooled = tuple[Readout, nn.Linear | PickLogits]
"""A readout, and the head behind it."""


def capsules(findings: int) -> Pooled:
    """Of a CapsNet's branch."""
    return Capsules(findings), PickLogits(findings * (DIMENSIONS + 1), findings)


def cascade(channels: int, findings: int) -> Pooled:
    """Of a cascade, whose backbone's maps have so many channels."""
    return CapsuleCascade(channels, findings), PickLogits(findings * (DIMENSIONS + 1), findings)


def average(channels: int, findings: int) -> Pooled:
    """Global average pooling and a linear head."""
    return GlobalAverage(), nn.Linear(channels, findings)


def _of_evidence(channels: int, findings: int, **parts: nn.Module) -> Pooled:
    readout = EvidencePooling(channels, findings, **parts)
    return readout, PickLogits(channels + findings, findings)


POOLINGS: dict[str, Callable[[int, int], Pooled]] = {
    "average": average,
    "lse": lambda k, f: _of_evidence(k, f, pool=LogSumExp()),
    "pcam": lambda k, f: _of_evidence(k, f, pool=ProbabilisticCam()),
    "attention": lambda k, f: _of_evidence(k, f, pool=Attention(k, f)),
    "gem": lambda k, f: _of_evidence(k, f, reshape=GeneralisedMean(), pool=Mean()),
}
"""Of a backbone without capsules: from channels and findings."""
