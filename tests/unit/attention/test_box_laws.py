"""What any rule that draws a crop owes: it holds the evidence, and prefers no side."""

from dataclasses import replace

import numpy as np
import pytest
from branches import grid_of
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.attention.boxes import grow_box
from pipeline.attention.crop import REGIONS, BoxRule, heatmap_box
from pipeline.attention.drawing import cell_centre
from pipeline.base.grid import Grid, tiles

PEAK = BoxRule(0.7, "peak")

GRIDS = st.one_of(
    st.integers(2, 28).map(lambda cells: (cells, tiles(cells))),
    st.tuples(st.integers(2, 28), st.floats(0.0, 1.0), st.floats(-1.5, 1.5)).map(
        lambda drawn: (drawn[0], Grid(first=drawn[1] / drawn[0], step=1 / drawn[0]))
    ),
)
"""Cells of a side, and where they look: in the middle, or beside it as strides leave them."""


@st.composite
def drawn_maps(draw):
    cells, grid = draw(GRIDS)
    values = st.integers(0, 60)  # few, so that some are equal
    heatmap = draw(hnp.arrays(np.float32, (cells, cells), elements=values.map(float)))
    return heatmap, grid


def mirrored(grid, cells):
    return replace(grid, first=1 - (grid.first + grid.step * (cells - 1)))


def peaks(heatmap, grid):
    cells = np.argwhere(heatmap == heatmap.max())
    return np.clip(np.stack([cell_centre(cell, grid) for cell in cells]), 0, 1)


@given(drawn_maps(), st.floats(0.0, 0.99), st.floats(0, 0.5), st.floats(0, 1))
def test_a_crop_holds_the_strongest_points_of_its_map(drawn, threshold, margin, min_side):
    heatmap, grid = drawn
    box = heatmap_box(heatmap, grid, BoxRule(threshold, "peak"))
    if box is None:
        assert heatmap.max() <= 0
        return
    crop = grow_box(box, margin=margin, min_side=min_side)
    for held in (box, crop):
        points = peaks(heatmap, grid)
        assert (held[:2] <= points + 1e-6).all()
        assert (points - 1e-6 <= held[2:]).all()


THRESHOLDS = st.integers(5, 95).map(lambda percent: percent / 100 + 1e-4 * np.pi)
"""Which no value between two cells meets exactly, so that rounding decides nothing."""


@given(drawn_maps(), THRESHOLDS)
def test_a_mirrored_map_on_a_mirrored_grid_has_the_mirrored_box(drawn, threshold):
    heatmap, grid = drawn
    rule, other = BoxRule(threshold, "peak"), mirrored(grid, len(heatmap))
    box = heatmap_box(heatmap, grid, rule)
    turned = heatmap_box(heatmap[::-1, ::-1].copy(), other, rule)
    if box is None:
        assert turned is None
        return
    np.testing.assert_allclose(turned, 1 - box[[2, 3, 0, 1]], atol=1e-9)


@given(drawn_maps(), THRESHOLDS)
def test_a_transposed_map_has_the_transposed_box(drawn, threshold):
    heatmap, grid = drawn
    rule = BoxRule(threshold, "peak")
    box, turned = (heatmap_box(one, grid, rule) for one in (heatmap, heatmap.T.copy()))
    if box is None:
        assert turned is None
        return
    np.testing.assert_allclose(turned, box[[1, 0, 3, 2]], atol=1e-9)


def quarters(grid, cells, *, maps, region):
    """Which share of the boxes of noise has its middle in each quarter of the image."""
    rng = np.random.default_rng(0)
    rule = BoxRule(0.7, region)
    boxes = np.array([heatmap_box(rng.random((cells, cells)), grid, rule) for _ in range(maps)])
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    on_the_line = np.isclose(middles, 0.5)  # half of it belongs to either side
    right, below = np.where(on_the_line, 0.5, middles > 0.5).T
    across, down = np.stack([1 - right, right]), np.stack([1 - below, below])
    return (down @ across.T / maps).ravel()


LOOKS = [("resnet18", 32, 224), ("mobilenet_v2", 16, 48), ("densenet121", 32, 224)]
HOW_MANY = [2_000, pytest.param(20_000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("maps", HOW_MANY)
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("network", LOOKS, ids=lambda look: look[0])
def test_boxes_of_noise_fall_into_the_four_quarters_alike(network, region, maps):
    cells, grid = grid_of(*network)
    chance = 3 * np.sqrt(0.25 * 0.75 / maps)
    found = quarters(grid, cells, maps=maps, region=region)
    assert found == pytest.approx(0.25, abs=max(0.02, chance))


@pytest.mark.parametrize("region", ["peak", "largest"])
def test_on_the_grid_of_plain_strides_they_did_not(region):
    """Neither rule can mend a grid that ends half a cell before the border."""
    plain = Grid(first=0.5 / 224, step=32 / 224)
    found = quarters(plain, 7, maps=1_000, region=region)
    assert max(found) - min(found) > 0.08


@pytest.mark.parametrize("cells", [3, 7, 14])
def test_the_box_of_a_planted_object_is_exact_to_half_a_cell(cells):
    """A cell says how much of the object its own square holds."""
    rng = np.random.default_rng(cells)
    edges = np.arange(cells + 1) / cells
    errors = []
    for _ in range(300):
        side = rng.uniform(1.5 / cells, 0.6, size=2).clip(max=0.9)
        start = rng.uniform(0, 1 - side)
        end = start + side
        held = [np.diff(np.clip(edges, a, b)) * cells for a, b in zip(start, end, strict=True)]
        box = heatmap_box(np.outer(held[1], held[0]), tiles(cells), BoxRule(0.5, "peak"))
        errors.append(np.abs(box - np.concatenate([start, end])).mean())
    assert np.mean(errors) <= 0.5 / cells
