"""Backbones: shapes, strides, dilation."""

import pytest
import torch

from pipeline.errors import ParamsError
from pipeline.networks.backbone import BACKBONES, build_backbone


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("stride", [8, 16, 32])
def test_feature_maps_have_the_promised_channels_and_stride(name, stride):
    backbone = build_backbone(name, output_stride=stride)
    with torch.inference_mode():
        maps = backbone.features.eval()(torch.rand(1, 3, 64, 96))
    assert maps.shape == (1, backbone.channels, 64 // stride, 96 // stride)


@pytest.mark.parametrize("name", BACKBONES)
def test_dilation_computes_the_coarse_grid_among_the_finer_one(name):
    coarse = build_backbone(name, output_stride=32)
    fine = build_backbone(name, output_stride=8)
    fine.network.load_state_dict(coarse.network.state_dict())
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        expected = coarse.features.eval()(images)
        found = fine.features.eval()(images)[..., ::4, ::4]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_an_unknown_backbone_is_refused_with_the_nearest_name():
    with pytest.raises(ParamsError, match=r"unknown backbone 'resnet81'.*did you mean resnet18"):
        build_backbone("resnet81", output_stride=32)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_weight_of_the_features_belongs_to_one_block(name):
    features = build_backbone(name, output_stride=32).features
    owned = [id(p) for block in features.children() for p in block.parameters()]
    assert sorted(owned) == sorted(id(p) for p in features.parameters())
