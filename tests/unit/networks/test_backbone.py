"""Backbones: shapes, strides, dilation, blocks."""

import sys

import pytest
import torch
from branches import LINEAR, ODD_TIMM, OF_TIMM, each_kind, no_initialisation
from torch import nn
from torchvision.ops import SqueezeExcitation

from pipeline.errors import ParamsError
from pipeline.networks.backbones.zoo import BACKBONES, build_backbone

DILATED = [name for name in BACKBONES if name != "capsnet"]


def build(name, output_stride=32, input_size=64):
    """Of zeros, for what asks for shapes, names or what depends on what."""
    with no_initialisation():
        return build_backbone(name, output_stride=output_stride, input_size=input_size)


@pytest.mark.parametrize("name", each_kind(DILATED))
@pytest.mark.parametrize("stride", [8, 16, 32])
def test_feature_maps_have_the_promised_channels_and_stride(name, stride):
    backbone = build(name, stride)
    with torch.inference_mode():
        maps = backbone.features.eval()(torch.rand(1, 3, 64, 96))
    assert maps.shape == (1, backbone.channels, 64 // stride, 96 // stride)


@pytest.mark.parametrize("name", OF_TIMM)
def test_timms_maps_have_the_promised_channels_and_at_most_the_stride(name):
    backbone = build(name)
    with torch.inference_mode():
        maps = backbone.features.eval()(torch.rand(1, 3, 64, 64))
    assert maps.shape[:2] == (1, backbone.channels)
    assert maps.shape[2] == maps.shape[3] >= 2


def leave_out_squeezes(features):
    """Squeeze-and-excitation takes a mean over the map, which is another one on a finer grid."""
    for parent in list(features.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, SqueezeExcitation):
                setattr(parent, name, nn.Identity())


@pytest.mark.parametrize("name", each_kind(DILATED))
def test_dilation_computes_the_coarse_grid_among_the_finer_one(name):
    coarse, fine = build_backbone(name, output_stride=32, input_size=64), build(name, 8)
    fine.network.load_state_dict(coarse.network.state_dict())
    for network in (coarse, fine):
        leave_out_squeezes(network.features)
    images = torch.rand(1, 3, 64, 64).double()
    with torch.inference_mode():
        expected = coarse.features.double().eval()(images)
        found = fine.features.double().eval()(images)[..., ::4, ::4]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6 * float(expected.max()))


def test_a_capsnets_first_layer_sees_28_pixels_whatever_the_image_has():
    features = build("capsnet").features
    images = torch.rand(2, 1, 224, 224)
    small = images.unflatten(2, (28, 8)).unflatten(4, (28, 8)).mean(dim=(3, 5))
    torch.testing.assert_close(features(images), features[1](small))
    assert features(images).shape == (2, 256, 20, 20)


def test_an_unknown_backbone_is_refused_with_the_nearest_name():
    with pytest.raises(ParamsError, match=r"unknown backbone 'resnet81'.*did you mean resnet18"):
        build("resnet81")


@pytest.mark.parametrize("name", each_kind([*LINEAR, *ODD_TIMM, "capsnet"]))
def test_every_weight_of_the_features_that_counts_belongs_to_one_block(name):
    backbone = build(name)
    maps = backbone.features.eval()(torch.rand(1, len(backbone.mean), 64, 64))
    weights = list(backbone.features.parameters())
    grads = torch.autograd.grad(maps.sum(), weights, allow_unused=True)
    used = [id(p) for p, grad in zip(weights, grads, strict=True) if grad is not None]
    owned = [id(p) for block in backbone.blocks for p in block.parameters()]
    assert sorted(owned) == sorted(used)


@pytest.mark.parametrize("name", [*OF_TIMM, *ODD_TIMM])
def test_a_released_block_of_timms_trains_with_all_that_is_in_it(name):
    """Its normalisations too, which have children of their own in many of timm's networks."""
    backbone = build(name)
    norms = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm)
    total = [m for m in backbone.features.modules() if isinstance(m, norms)]
    backbone.features.eval()
    for block in backbone.blocks:
        before = sum(m.training for m in total)
        block.train()
        assert sum(m.training for m in total) >= before
    assert all(m.training for m in total)


@pytest.mark.parametrize("name", each_kind(LINEAR))
def test_blocks_run_in_their_order(name):
    backbone = build(name)
    features, seen = backbone.features.eval(), []
    layers = [m for block in backbone.blocks for m in block.modules()]
    layers = [m for m in layers if isinstance(m, nn.Conv2d | nn.Linear | nn.BatchNorm2d)]
    for layer in layers:
        layer.register_forward_hook(lambda layer, _inputs, _output: seen.append(id(layer)))
    with torch.inference_mode():
        features(torch.rand(1, 3, 64, 64))
    number = {id(m): place for place, block in enumerate(backbone.blocks) for m in block.modules()}
    order = [number[layer] for layer in seen]
    assert order == sorted(order)
    assert len(backbone.blocks) >= 5


def test_timm_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ParamsError, match="need timm, which is not installed: pip install timm"):
        build("timm:resnet18")


@pytest.mark.parametrize(
    ("name", "stride", "message"),
    [
        ("timm:resnet1888", 32, r"timm has no model 'resnet1888'"),
        ("timm:vit_tiny_patch16_224", 8, r"has cells of 16 pixels, and timm offers none of 8; se"),
        ("timm:swin_tiny_patch4_window7_224", 16, r"cells of 32 .* output_stride of .* to 32"),
        ("timm:vit_tiny_patch14_dinov2", 32, r"timm has no model .*near it: "),
    ],
)
def test_timm_models_that_cannot_be_had_are_named(name, stride, message):
    with pytest.raises(ParamsError, match=message):
        build(name, stride)


def test_a_last_relu6_of_timms_is_left_to_the_branch():
    backbone = build_backbone("timm:mobilenetv2_050", output_stride=32, input_size=64)
    maps = backbone.features.eval()(torch.rand(1, 3, 64, 64))
    assert maps.min() < 0


@pytest.mark.parametrize("name", each_kind(DILATED))
def test_building_with_dilation_changes_no_name(name):
    plain = build(name).network.state_dict()
    dilated = build(name, 8).network.state_dict()
    assert plain.keys() == dilated.keys()
