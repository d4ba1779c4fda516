"""Regions and boxes that a graph finds are those that the stages draw."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.attention.crop import REGIONS, BoxRule, fine_map, heatmap_box, region_box
from pipeline.base.grid import Grid, tiles
from pipeline.predict.onnx.regions import Drawing, label_regions, region_boxes

GRIDS = {3: tiles(3), 9: Grid(0.031, 0.115), 14: Grid(0.002, 0.0715), 120: tiles(120)}


def some_maps(cells, seed):
    """Of chance; with few levels, so that maxima are met several times; saturated; empty."""
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(8, cells, cells)).astype(np.float16).astype(np.float32)
    maps[2:4] = np.round(maps[2:4])
    maps[4] = maps[4].clip(max=0.3)
    maps[5], maps[6], maps[7] = 0, -1, 1
    return maps


@pytest.mark.parametrize("cells", GRIDS)
def test_a_map_is_drawn_as_opencv_draws_it(cells):
    maps = some_maps(cells, cells)
    drawn = Drawing(cells, GRIDS[cells])(torch.from_numpy(maps)).numpy()
    for one, fine in zip(maps, drawn, strict=True):
        # a multiplication and an addition are one rounding only where the CPU has both in one
        np.testing.assert_allclose(fine, fine_map(one, GRIDS[cells]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.7, 0.99])
@pytest.mark.parametrize("cells", [3, 9, 14])
def test_boxes_are_those_of_the_stage(cells, threshold, region):
    rule, grid, maps = BoxRule(threshold, region), GRIDS[cells], some_maps(cells, 7)
    boxes, says = region_boxes(
        Drawing(cells, grid)(torch.from_numpy(maps)), threshold=rule.threshold, region=rule.region
    )
    for one, box, is_found in zip(maps, boxes.numpy(), says.tolist(), strict=True):
        expected = heatmap_box(one, grid, rule)
        assert is_found == (expected is not None)
        if is_found:
            np.testing.assert_array_equal(box, expected)


@given(st.integers(0, 2**16), st.floats(0.02, 0.65))
@settings(max_examples=15)
def test_of_any_mask_the_largest_region_is_opencvs(seed, share):
    """Near a share of .41 regions of chance wind through all of it."""
    masks = (np.random.default_rng(seed).random((4, 41, 41)) < share).astype(np.float32)
    masks[:, 20, 20] = 1
    rule = BoxRule(0.5, "largest")
    boxes, _ = region_boxes(torch.from_numpy(masks), threshold=rule.threshold, region=rule.region)
    np.testing.assert_array_equal(boxes, [region_box(one, rule) for one in masks])


def test_a_spiral_is_one_region_and_two_beside_it_are_two():
    spiral = np.array([[*map(int, row)] for row in
        ("11111", "00001", "11101", "10001", "11111")])  # fmt: skip
    labels = label_regions(torch.from_numpy(np.stack([spiral, 1 - spiral]) > 0))
    assert len(labels[0].unique()) == 2  # one, and what is outside
    assert len(labels[1].unique()) == 2
    apart = torch.zeros(1, 5, 5, dtype=torch.bool)
    apart[0, 0, 0] = apart[0, 4, 4] = True
    assert len(label_regions(apart).unique()) == 3
