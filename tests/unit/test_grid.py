"""A heatmap is drawn where the network's cells look."""

import numpy as np
import pytest
import torch

from pipeline.attention.grid import cell_centre, draw_on_image
from pipeline.findings import FINDINGS
from pipeline.networks.backbone import BACKBONES
from pipeline.networks.branch import BranchSpec, build_branch

SIDE = 256


def receptive_centre(name: str, output_stride: int, row: int, column: int) -> np.ndarray:
    """(x, y) of the input's squared influence on one cell, as fractions; over three networks."""
    influence = torch.zeros(SIDE, SIDE)
    for seed in range(3):
        spec = BranchSpec(name, FINDINGS, output_stride, SIDE, standardise=False)
        image = torch.rand(1, 1, SIDE, SIDE, requires_grad=True)
        maps = build_branch(spec, weights=None, seed=seed).eval().feature_map(image)
        maps[0, :, row, column].sum().backward()
        influence += image.grad[0, 0] ** 2
    places = (torch.arange(SIDE) + 0.5) / SIDE
    influence /= influence.sum()
    return np.array([(influence.sum(0) * places).sum(), (influence.sum(1) * places).sum()])


@pytest.mark.parametrize("name", BACKBONES)
def test_a_cell_is_drawn_where_it_looks(name):
    torch.manual_seed(0)
    looked = receptive_centre(name, 32, 3, 5)
    assert cell_centre(np.array([3, 5]), (8, 8)) == pytest.approx(looked, abs=0.02)
    heatmap = np.zeros((8, 8), np.float32)
    heatmap[3, 5] = 1
    drawn = draw_on_image(heatmap, height=64, width=64)
    y, x = np.indices(drawn.shape) + 0.5
    middle = np.array([(drawn * x).sum(), (drawn * y).sum()]) / drawn.sum() / 64
    assert middle == pytest.approx(looked, abs=0.02)


def test_a_constant_map_stays_constant():
    drawn = draw_on_image(np.full((3, 5), 2.0), height=17, width=9)
    assert drawn.shape == (17, 9)
    assert (drawn == 2).all()


def test_between_two_cells_the_map_is_linear():
    drawn = draw_on_image(np.array([[0.0, 1.0]]), height=1, width=100)
    assert drawn[0, :50] == pytest.approx((np.arange(50) + 0.5) / 50, abs=1e-2)
    assert (drawn[0, 50:] == 1).all()
