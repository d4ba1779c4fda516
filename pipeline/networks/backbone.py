"""Backbones: torchvision's networks as a sequence of blocks, from image to feature maps."""

import difflib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torchvision.models as tv
from torch import nn

from pipeline.errors import ParamsError


@dataclass(frozen=True)
class Backbone:
    """A network in torchvision's layout and the part of it that a branch keeps."""

    network: nn.Module
    """The whole network, whose state dict has torchvision's names."""
    features: nn.Sequential
    """Image (b, 3, h, w) to feature maps; its children are the blocks, first to last."""
    channels: int
    classifier: str
    """Prefix of the classification layer's names in the state dict."""


def mobilenet_v2() -> Backbone:
    """MobileNetV2 (arXiv:1801.04381), the ReLU6 of its last block left to the branch's ReLU.

    With ImageNet's weights some of the 1,280 channels reach the 6 in nearly every cell of a
    radiograph, so that `max_k |A_k|` would be flat and every crop the whole image.
    """
    network = tv.mobilenet_v2(weights=None)
    network.features[-1][-1] = nn.Identity()
    return Backbone(network, network.features, network.last_channel, "classifier.")


def resnet18() -> Backbone:
    """ResNet-18 (arXiv:1512.03385); its last block ends in a ReLU."""
    network = tv.resnet18(weights=None)
    stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
    layers = {name: getattr(network, name) for name in ("layer1", "layer2", "layer3", "layer4")}
    features = nn.Sequential(OrderedDict([("stem", stem), *layers.items()]))
    return Backbone(network, features, network.fc.in_features, "fc.")


BACKBONES: dict[str, Callable[[], Backbone]] = {
    "mobilenet_v2": mobilenet_v2,
    "resnet18": resnet18,
}


def build_backbone(name: str, *, output_stride: int) -> Backbone:
    """A randomly initialised backbone whose feature maps have the given stride.

    Raises:
        ParamsError: no backbone has that name.
    """
    if name not in BACKBONES:
        near = difflib.get_close_matches(name, BACKBONES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ParamsError(f"unknown backbone {name!r}; expected {', '.join(BACKBONES)}{hint}")
    backbone = BACKBONES[name]()
    limit_stride(backbone.features, output_stride)
    return backbone


def limit_stride(features: nn.Sequential, output_stride: int) -> None:
    """Turn strides beyond `output_stride` into dilation, in place (DeepLab, arXiv:1606.00915).

    Weights keep their shape and meaning, so pretrained ones still fit; the grid of the feature
    maps gets finer and each cell keeps its receptive field.
    """
    stride, dilation = 1, 1
    for block in features:
        stride, dilation = _dilate(block, stride, dilation, output_stride)


def _dilate(block: nn.Module, stride: int, dilation: int, limit: int) -> tuple[int, int]:
    inner = dilation
    strided = False
    for name, module in block.named_modules():
        if not isinstance(module, (nn.Conv2d, nn.MaxPool2d)):
            continue
        step = module.stride[0] if isinstance(module.stride, tuple) else module.stride
        shortcut = "downsample" in name  # runs beside the block's main path, not after it
        if step > 1 and not shortcut:
            if stride * step > limit:
                module.stride, strided = (1, 1), True
                dilation *= step
            else:
                stride *= step
        elif step > 1 and strided:
            module.stride = (1, 1)
        if isinstance(module, nn.Conv2d) and module.kernel_size[0] > 1 and inner > 1:
            module.dilation = (inner, inner)
            module.padding = tuple(inner * (k // 2) for k in module.kernel_size)
        inner = dilation
    return stride, dilation
