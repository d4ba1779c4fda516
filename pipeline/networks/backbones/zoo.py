"""Every backbone by its name."""

import difflib
from collections.abc import Callable

from pipeline.errors import ParamsError
from pipeline.networks.backbones import torchvision_backbone as published
from pipeline.networks.backbones.backbone import Backbone
from pipeline.networks.backbones.dilation import limit_stride
from pipeline.networks.backbones.timm_backbone import TIMM, timm_backbone

CAPSNET = "capsnet"

CASCADE = "_capsnet"
"""Behind the name of any other backbone: its features, then a CapsNet (`CapsuleCascade`)."""

BACKBONES: dict[str, Callable[[], Backbone]] = {
    "resnet18": published.resnet18,
    "resnet50": published.resnet50,
    "resnext50": published.resnext50,
    "resnext101": published.resnext101,
    "densenet121": published.densenet121,
    "mobilenet_v2": published.mobilenet_v2,
    "mobilenet_v3": published.mobilenet_v3,
    "convnext_tiny": published.convnext_tiny,
    "efficientnet_v2_s": published.efficientnet_v2_s,
    CAPSNET: published.capsnet,
}

CASCADES = (f"densenet121{CASCADE}", f"resnet50{CASCADE}")
"""Those of the paper."""


def is_cascade(name: str) -> bool:
    """Whether a branch with this backbone ends in a CapsNet that is pretrained on its own."""
    return name.endswith(CASCADE)


def build_backbone(name: str, *, output_stride: int, input_size: int) -> Backbone:
    """A randomly initialised backbone.

    Args:
        name: an entry of `BACKBONES`, or "timm:<name>" for any of timm's.
        output_stride: most input pixels per cell of the feature maps.
        input_size: side of the images in pixels, which some of timm's are built for.

    Raises:
        ParamsError: no backbone has that name, or timm's has coarser cells.
    """
    if name.startswith(TIMM):
        return timm_backbone(
            name.removeprefix(TIMM), output_stride=output_stride, input_size=input_size
        )
    if name not in BACKBONES:
        near = difflib.get_close_matches(name, BACKBONES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ParamsError(f"unknown backbone {name!r}; expected {', '.join(BACKBONES)}{hint}")
    backbone = BACKBONES[name]()
    limit_stride(backbone.blocks, output_stride)
    return backbone
