"""Branches to test with: every backbone, with capsules and without."""

import torch

from pipeline.base.findings import FINDINGS
from pipeline.networks.backbones.centring import centre_grid
from pipeline.networks.backbones.receptive_field import measure_grid
from pipeline.networks.backbones.zoo import BACKBONES, build_backbone
from pipeline.networks.branch import BranchSpec, build_branch

CASCADES = ("densenet121_capsnet", "resnet50_capsnet", "mobilenet_v2_capsnet")
OF_TIMM = ("timm:resnet18", "timm:convnext_atto", "timm:vit_tiny_patch16_224")
ODD_TIMM = (  # normalisations with children, blocks of blocks, other padding, no matcher, ...
    "timm:regnety_002",
    "timm:swin_tiny_patch4_window7_224",
    "timm:densenet121",
    "timm:tf_efficientnet_b0",
    "timm:poolformer_s12",
    "timm:mobilenetv4_conv_small",
)
LINEAR = [name for name in BACKBONES if name != "capsnet"] + list(OF_TIMM)
CAPSULES = ["capsnet", *CASCADES]
ALL = [*LINEAR, *CAPSULES]


def make_branch(
    name="mobilenet_v2", *, seed=0, output_stride=32, size=64, standardise=False, findings=FINDINGS
):
    spec = BranchSpec(name, findings, output_stride, size, standardise=standardise)
    return build_branch(spec, weights=None, seed=seed).eval()


def some_images(rows=2, *, size=64, seed=0):
    return torch.rand(rows, 1, size, size, generator=torch.Generator().manual_seed(seed))


def grid_of(name, stride, size, *, centred=True):
    """Cells of a side, and the grid."""
    backbone = build_backbone(name, output_stride=stride, input_size=size)
    image = torch.zeros(1, len(backbone.mean), size, size)
    if centred:
        centre_grid(backbone.features, image)
    maps, grid = measure_grid(backbone.features, image)
    return maps.shape[-1], grid
