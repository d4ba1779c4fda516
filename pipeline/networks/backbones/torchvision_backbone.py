"""Backbones from torchvision, and the first layer of a CapsNet."""

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from pipeline.networks.backbones.backbone import Backbone
from pipeline.networks.backbones.torchvision_models import models as tv

TORCHVISION = {
    "resnext50": "resnext50_32x4d",
    "resnext101": "resnext101_32x8d",
    "mobilenet_v3": "mobilenet_v3_large",
}
"""What torchvision calls those that it calls otherwise."""


def _resnet(build: Callable[..., tv.ResNet]) -> Backbone:
    """ResNets (arXiv:1512.03385) and ResNeXts (arXiv:1611.05431); they end in a ReLU."""
    network = build(weights=None)
    stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
    layers = {name: getattr(network, name) for name in ("layer1", "layer2", "layer3", "layer4")}
    return _of_blocks(network, {"stem": stem, **layers}, network.fc.in_features, "fc.")


def resnet18() -> Backbone:
    """ResNet-18."""
    return _resnet(tv.resnet18)


def resnet50() -> Backbone:
    """ResNet-50."""
    return _resnet(tv.resnet50)


def resnext50() -> Backbone:
    """ResNeXt-50 32x4d."""
    return _resnet(tv.resnext50_32x4d)


def resnext101() -> Backbone:
    """ResNeXt-101 32x8d."""
    return _resnet(tv.resnext101_32x8d)


def densenet121() -> Backbone:
    """DenseNet-121 (arXiv:1608.06993).

    Its features end in a batch normalisation; the ReLU that torchvision applies next, in place,
    is the branch's own.
    """
    network = tv.densenet121(weights=None)
    parts = network.features
    blocks = {
        "stem": nn.Sequential(parts.conv0, parts.norm0, parts.relu0, parts.pool0),
        "dense1": parts.denseblock1,
        "dense2": nn.Sequential(parts.transition1, parts.denseblock2),
        "dense3": nn.Sequential(parts.transition2, parts.denseblock3),
        "dense4": nn.Sequential(parts.transition3, parts.denseblock4, parts.norm5),
    }
    return _of_blocks(network, blocks, network.classifier.in_features, "classifier.")


def mobilenet_v2() -> Backbone:
    """MobileNetV2 (arXiv:1801.04381), the ReLU6 of its last block left to the branch's ReLU.

    With ImageNet's weights some of the 1,280 channels reach the 6 in nearly every cell of a
    radiograph, so that `max_k |A_k|` would be flat and every crop the whole image.
    """
    network = tv.mobilenet_v2(weights=None)
    network.features[-1][-1] = nn.Identity()
    blocks = dict(network.features.named_children())
    return _of_blocks(network, blocks, network.last_channel, "classifier.")


def mobilenet_v3() -> Backbone:
    """MobileNetV3-Large (arXiv:1905.02244) up to its pooling.

    It ends in a hard swish, of which the branch's ReLU cuts the values in [-0.375, 0); the layer
    of 1,280 units behind the pooling is left out, being no linear head.
    """
    network = tv.mobilenet_v3_large(weights=None)
    blocks = dict(network.features.named_children())
    return _of_blocks(network, blocks, network.classifier[0].in_features, "classifier.")


def convnext_tiny() -> Backbone:
    """ConvNeXt-Tiny (arXiv:2201.03545) up to its pooling.

    Its features have both signs and are normalised only behind the pooling, which a linear head
    leaves out; the branch's ReLU cuts the negative ones.
    """
    network = tv.convnext_tiny(weights=None)
    stem, one, *rest = network.features
    blocks = {"stem": stem, "stage1": one}
    for number, (down, stage) in enumerate(zip(rest[::2], rest[1::2], strict=True), start=2):
        blocks[f"stage{number}"] = nn.Sequential(down, stage)
    return _of_blocks(network, blocks, network.classifier[-1].in_features, "classifier.")


def efficientnet_v2_s() -> Backbone:
    """EfficientNetV2-S (arXiv:2104.00298).

    It ends in a SiLU, of which the branch's ReLU cuts the values in [-0.279, 0).
    """
    network = tv.efficientnet_v2_s(weights=None)
    blocks = dict(network.features.named_children())
    return _of_blocks(network, blocks, network.classifier[-1].in_features, "classifier.")


def capsnet() -> Backbone:
    """The first layer of a CapsNet (arXiv:1710.09829, Sec. 4), on the image at 28 x 28 pixels.

    The rest, primary capsules and routing, takes the place of pooling and head (`capsule.py`).
    Grey levels enter in [0, 1], as its authors', unless images are standardised. Its grid is its
    own, whatever the output stride.
    """
    features = nn.Sequential(
        OrderedDict(shrink=nn.AdaptiveAvgPool2d(28), conv1=nn.Conv2d(1, 256, kernel_size=9))
    )
    return Backbone(features, features, (features,), 256, (), mean=(0.0,), std=(1.0,))


def _of_blocks(
    network: nn.Module, blocks: dict[str, nn.Module], channels: int, classifier: str
) -> Backbone:
    features = nn.Sequential(OrderedDict(blocks))
    return Backbone(network, features, tuple(blocks.values()), channels, (classifier,))
