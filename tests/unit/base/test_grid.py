"""A heatmap is drawn where the network's cells look."""

import numpy as np
import pytest
import torch
from branches import LINEAR, each_kind, make_branch, turned

from pipeline.attention.drawing import cell_centre, draw_on_image
from pipeline.base.grid import Grid, tiles
from pipeline.networks.backbones.receptive_field import measure_grid
from pipeline.networks.layers import find_layer

SIDE = 256


def receptive_centre(branches: list, row: int, column: int) -> np.ndarray:
    """(x, y) of the input's squared influence on one cell, as fractions; over some networks."""
    influence = torch.zeros(SIDE, SIDE)
    for branch in branches:
        branch.requires_grad_(False)  # of weights nobody asks
        image = torch.rand(1, 1, SIDE, SIDE, requires_grad=True)
        maps = branch.feature_map(image)
        maps[0, :, row, column].sum().backward()
        influence += image.grad[0, 0] ** 2
    places = (torch.arange(SIDE) + 0.5) / SIDE
    influence /= influence.sum()
    return np.array([(influence.sum(0) * places).sum(), (influence.sum(1) * places).sum()])


DILATED = ("resnet18", "densenet121", "mobilenet_v2", "convnext_tiny")


@pytest.mark.parametrize(
    ("name", "stride"),
    [
        *each_kind([*LINEAR, "capsnet"], 32),
        *((name, 16) for name in DILATED),
    ],
)
def test_a_cell_is_drawn_where_it_looks(name, stride):
    torch.manual_seed(0)
    branch = make_branch(name, output_stride=stride, size=SIDE)
    grid, shape = branch.grid, find_layer(branch, "last").shape[1:]
    row, column = shape[0] * 3 // 8, shape[1] * 5 // 8
    looked = receptive_centre([branch, turned(branch)], row, column)
    assert cell_centre(np.array([row, column]), grid) == pytest.approx(looked, abs=0.02)
    heatmap = np.zeros(shape, np.float32)
    heatmap[row, column] = 1
    drawn = draw_on_image(heatmap, grid, height=64, width=64)
    y, x = np.indices(drawn.shape) + 0.5
    middle = np.array([(drawn * x).sum(), (drawn * y).sum()]) / drawn.sum() / 64
    assert middle == pytest.approx(looked, abs=0.02)


def test_of_timms_odd_ones_no_cell_is_drawn_more_than_half_a_cell_away():
    torch.manual_seed(0)
    for name in ("timm:tf_efficientnet_b0", "timm:regnety_002", "timm:poolformer_s12"):
        branch = make_branch(name, size=SIDE)
        looked = receptive_centre([branch, turned(branch)], 3, 5)
        assert np.abs(cell_centre(np.array([3, 5]), branch.grid) - looked).max() < 0.5 / 8 + 0.01


def test_the_arithmetic_of_receptive_fields_by_hand():
    """Conv 3/2 padded: cells at pixels 0, 2, ...; then patches of 2: at 1, 5, ... (in pixels)."""
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(1, 1, 3, stride=2, padding=1), torch.nn.AvgPool2d(2)
    )
    maps, grid = measure_grid(layers, torch.zeros(1, 1, 16, 16))
    assert maps.shape == (1, 1, 4, 4)
    assert grid == Grid(first=1.5 / 16, step=4 / 16)


def test_a_map_that_the_layers_do_not_explain_is_taken_for_tiles():
    layers = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.Upsample(4))
    assert measure_grid(layers, torch.zeros(1, 1, 16, 16))[1] == tiles(4)


def test_a_constant_map_stays_constant():
    drawn = draw_on_image(np.full((3, 5), 2.0), tiles(4), height=17, width=9)
    assert drawn.shape == (17, 9)
    assert (drawn == 2).all()


def test_between_two_cells_the_map_is_linear():
    drawn = draw_on_image(np.array([[0.0, 1.0]]), Grid(0.0, 0.5), height=1, width=100)
    assert drawn[0, :50] == pytest.approx((np.arange(50) + 0.5) / 50, abs=1e-2)
    assert (drawn[0, 50:] == 1).all()
