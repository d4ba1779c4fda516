"""What a backbone is: a published network, and the part of it that a branch keeps."""

from dataclasses import dataclass

from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Backbone:
    """A network as its authors published it, and the part of it that a branch keeps."""

    network: nn.Module
    """The whole network, whose state dict has its publisher's names."""
    features: nn.Module
    """Image (b, c, h, w) to feature maps (b, `channels`, h', w')."""
    blocks: tuple[nn.Module, ...]
    """The parts of `features`, first to last: what unfreezing releases from the end."""
    channels: int
    classifier: tuple[str, ...]
    """Prefixes of names in the network's state dict that a branch does not keep."""
    mean: tuple[float, ...] = IMAGENET_MEAN
    """Per channel of the input in [0, 1]; as many as the network has input channels."""
    std: tuple[float, ...] = IMAGENET_STD
