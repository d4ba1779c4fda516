"""Branches to test with: every backbone, with capsules and without."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache

import pytest
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

TWINS = {
    "resnet50": "resnext50",
    "resnext101": "resnext50",
    "densenet121_capsnet": "mobilenet_v2_capsnet",
    "resnet50_capsnet": "mobilenet_v2_capsnet",
}
"""Large ones, each with a smaller one that the same functions and classes build: `_resnet` of
bottlenecks, `CapsuleCascade` behind a backbone that is tested without it as well."""


def each_kind(names, *others):
    """These backbones, and what goes with each; those of `TWINS` as proofs on a larger scale."""
    marks = {True: [pytest.mark.slow], False: []}
    return [pytest.param(name, *others, marks=marks[name in TWINS]) for name in names]


FEW = ("resnet18", "mobilenet_v2", "mobilenet_v3", *OF_TIMM[1:], "capsnet", CASCADES[-1])
"""One of each kind of feature maps, small ones: behind a ReLU, a normalisation, a hard swish; of
both signs; of tokens; of a CapsNet, and in front of
one. Enough where only maps and what is behind them count."""


def few_kinds(names):
    """These backbones, those beside `FEW` as proofs on a larger scale."""
    return [one if one in FEW else pytest.param(one, marks=pytest.mark.slow) for one in names]


def turned(branch):
    """With all kernels upside down: what they prefer by chance, it prefers the other way round."""
    other = copy.deepcopy(branch)
    with torch.no_grad():
        for layer in other.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight.copy_(layer.weight.flip(2, 3))
    return other


def built_branch(
    name="mobilenet_v2",
    *,
    seed=0,
    output_stride=32,
    size=64,
    standardise=False,
    findings=FINDINGS,
    **above,
):
    """One that is built, for tests of building itself."""
    spec = BranchSpec(name, findings, output_stride, size, standardise=standardise, **above)
    return build_branch(spec, weights=None, seed=seed).eval()


def make_branch(name="mobilenet_v2", **options):
    """The same, to change at will: a copy of one that need not be built each time."""
    return copy.deepcopy(_kept(name, **options))


_kept = lru_cache(maxsize=6)(built_branch)  # `of_each` lets tests of one backbone follow another


def of_each(names, argument="name"):
    """Parametrise over backbones; a file's tests of one run beside each other, and share it."""
    return pytest.mark.parametrize(argument, names, scope="module")


@contextmanager
def no_initialisation() -> Iterator[None]:
    """Zeros in place of random weights: for networks of which only shapes and names count, or
    whose weights are loaded. To draw 87 M of them, twice, takes a second.

    Not for `make_branch`, which would keep the zeros.
    """

    def zero(tensor: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        return tensor.zero_()

    with pytest.MonkeyPatch.context() as patch:
        for name in ("normal_", "uniform_"):  # by which all of `torch.nn.init` draws
            patch.setattr(torch.Tensor, name, zero)
        yield


def some_images(rows=2, *, size=64, seed=0):
    return torch.rand(rows, 1, size, size, generator=torch.Generator().manual_seed(seed))


@cache
def grid_of(name, stride, size, *, centred=True):
    """Cells of a side, and the grid."""
    with no_initialisation():
        backbone = build_backbone(name, output_stride=stride, input_size=size)
    image = torch.zeros(1, len(backbone.mean), size, size)
    if centred:
        centre_grid(backbone.features, image)
    maps, grid = measure_grid(backbone.features, image)
    return maps.shape[-1], grid
