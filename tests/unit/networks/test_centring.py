"""Grids in the middle of the image: no side has more cells than the other."""

import copy

import numpy as np
import pytest
import torch
from branches import ODD_TIMM, OF_TIMM, each_kind, grid_of, make_branch, no_initialisation, turned

from pipeline.networks.backbones.centring import centre_grid
from pipeline.networks.backbones.dilation import DilatedAverage
from pipeline.networks.backbones.receptive_field import measure_grid
from pipeline.networks.backbones.zoo import BACKBONES, build_backbone
from pipeline.networks.branch import BranchSpec, build_branch, restore_branch

NEAR_PX = 1.5
"""DenseNet's even poolings leave the pixel and a half of its first two strides."""


def off_centre_px(cells, grid, *, size):
    return (grid.first + grid.step * (cells - 1) / 2 - 0.5) * size


SOME = ("resnet18", "mobilenet_v2", "densenet121")
SIZES = [(8, 48), (16, 48), (32, 96), (16, 224)]
ODD = [(stride, size) for stride in (8, 16, 32) for size in (48, 100)]
"""Of convolutions alone: DenseNet's poolings cut what is odd off at the end."""


@pytest.mark.parametrize(
    ("name", "stride", "size"),
    each_kind([name for name in BACKBONES if name != "capsnet"], 32, 64)
    + [(name, *one) for name in SOME for one in SIZES]
    + [(name, *one) for name in SOME[:2] for one in ODD if one not in SIZES],
)
def test_the_grid_of_every_backbone_is_in_the_middle_and_no_cell_is_lost(name, stride, size):
    cells, grid = grid_of(name, stride, size)
    plain, before = grid_of(name, stride, size, centred=False)
    assert abs(off_centre_px(cells, grid, size=size)) <= NEAR_PX
    assert (cells, grid.step) == (plain, before.step)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_without_it_the_last_cells_look_half_a_cell_before_the_border(name):
    assert off_centre_px(*grid_of(name, 32, 64, centred=False), size=64) == -15.5


OTHERS = ["capsnet", *OF_TIMM, *ODD_TIMM]
POOLED_SHORTCUT = ("timm:resnet18d", 80)
"""Its shortcuts take means of 2 x 2 of 5 x 5 places, and there are 2 odd ones."""


@pytest.mark.parametrize(
    ("name", "size"),
    [*((name, 224 if "swin" in name else 96) for name in OTHERS), POOLED_SHORTCUT],
)  # swin's windows are made for 224
def test_of_other_networks_none_is_farther_off_than_before(name, size):
    with no_initialisation():
        backbone = build_backbone(name, output_stride=32, input_size=size)
    image = torch.zeros(1, len(backbone.mean), size, size)
    offs = []
    for _ in range(2):
        maps, grid = measure_grid(backbone.features, image)
        offs.append(abs(off_centre_px(maps.shape[-1], grid, size=size)))
        centre_grid(backbone.features, image)
    assert offs[1] <= offs[0]


def moved(layer):
    """The last of two strides, which is the one that is moved."""
    first = torch.nn.Conv2d(1, layer.in_channels, 3, stride=2, padding=1)
    centre_grid(torch.nn.Sequential(first, layer), torch.zeros(1, 1, 32, 32))
    return layer


def test_odd_places_are_what_maps_moved_by_a_cell_show_at_even_ones():
    layer = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)
    plain, maps = copy.deepcopy(layer), torch.rand(1, 3, 16, 16)
    found, expected = moved(layer)(maps), plain(torch.roll(maps, (-1, -1), (2, 3)))
    assert found.shape == expected.shape
    torch.testing.assert_close(found[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


@pytest.mark.parametrize("kernel", [3, 5])
def test_they_see_the_first_cell_and_the_last(kernel):
    layer = torch.nn.Conv2d(1, 1, kernel, stride=2, padding=kernel // 2, bias=False)
    torch.nn.init.ones_(layer.weight)
    maps = torch.zeros(1, 1, 16, 16)
    maps[..., 0, 0] = maps[..., -1, -1] = 1
    seen = moved(layer)(maps)[0, 0]
    assert seen[0, 0] > 0
    assert seen[-1, -1] > 0


@pytest.mark.parametrize("dilation", [1, 2])
def test_a_balanced_mean_is_that_of_an_image_and_its_mirror_image(dilation):
    mean = DilatedAverage(dilation)
    mean.balanced = True
    maps = torch.rand(2, 3, 7, 7)
    torch.testing.assert_close(mean(maps.flip(2, 3)), mean(maps).flip(2, 3))
    spot = torch.zeros(1, 1, 9, 9)
    spot[..., 4, 4] = 8
    rows = mean(spot)[0, 0].sum(1)
    assert rows[[4 - dilation, 4, 4 + dilation]].tolist() == [2, 4, 2]


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_what_stands_on_a_side_is_seen_as_well_as_its_mirror_image(name):
    """The share of influence that each quarter of the image has on what is pooled."""
    torch.manual_seed(0)
    influence = torch.zeros(64, 64)
    one = make_branch(name, size=64, output_stride=16).requires_grad_(False)
    for branch in (one, turned(one)):
        image = torch.rand(1, 1, 64, 64, requires_grad=True)
        branch.feature_map(image).sum().backward()
        influence += image.grad[0, 0] ** 2
    left, right = influence[:, :32].sum(), influence[:, 32:].sum()
    assert float(left / (left + right)) == pytest.approx(0.5, abs=0.1)


def spec(name, stride, size, *, centred=True):
    return BranchSpec(name, ("Mass",), stride, size, standardise=False, centred=centred)


def test_a_checkpoint_from_before_there_was_a_choice_looks_where_it_did():
    old = build_branch(spec("resnet18", 32, 64, centred=False), weights=None, seed=0).eval()
    about = old.spec.about()
    del about["centred"]
    again = restore_branch(old.state_dict(), about)
    image = torch.rand(2, 1, 64, 64)
    assert torch.equal(again(image), old(image))
    assert again.grid == old.grid


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mobilenet_v3"])
def test_centring_changes_no_name_and_no_shape_of_a_weight(name):
    one, other = (
        build_branch(spec(name, 32, 64, centred=centred), weights=None, seed=0).state_dict()
        for centred in (True, False)
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_shortcut_is_moved_with_its_block():
    """Both paths of a ResNet's block look at the same places, or their sum would mix two."""
    branch = make_branch("resnet18", size=64)
    block = branch.blocks[-1][0]
    maps = torch.zeros(1, 256, 4, 4)
    maps[..., 1, 1] = 1
    with torch.no_grad():
        main, beside = block.conv1(maps), block.downsample[0](maps)
    assert main[0, :, 0, 0].abs().sum() > 0
    assert np.argwhere(beside[0].abs().sum(0).numpy() > 0).tolist() == [[0, 0]]


def test_the_grid_that_is_measured_is_the_one_that_was_moved():
    layers = [torch.nn.Conv2d(1, 1, 3, stride=2, padding=1) for _ in range(2)]
    features, image = torch.nn.Sequential(*layers), torch.zeros(1, 1, 16, 16)
    assert measure_grid(features, image)[1].first == 0.5 / 16
    centre_grid(features, image)
    assert measure_grid(features, image)[1].first == 2.5 / 16
