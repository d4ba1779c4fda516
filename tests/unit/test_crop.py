"""From heatmap to crop: the largest region, the whole image where there is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from pipeline.attention.crop import crop_box, cut_crop, heatmap_box, largest_region
from pipeline.grid import tiles

GRID = tiles(7)
MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))


def regions(mask):
    """8-connected regions by flood fill."""
    left = {tuple(cell) for cell in np.argwhere(mask)}
    while left:
        todo, region = [left.pop()], set()
        while todo:
            y, x = todo.pop()
            region.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            todo += near
        yield region


@given(MASKS)
def test_the_largest_region_is_that_of_a_flood_fill(mask):
    found = {tuple(cell) for cell in np.argwhere(largest_region(mask))}
    expected = list(regions(mask))
    assert len(found) == max(map(len, expected), default=0)
    assert found in expected or not expected


def test_a_planted_blob_is_in_its_box():
    heatmap = np.zeros((7, 7), np.float32)
    heatmap[2, 5] = 3.0
    x1, y1, x2, y2 = heatmap_box(heatmap, GRID, threshold=0.7)
    assert x1 < 5.5 / 7 < x2
    assert y1 < 2.5 / 7 < y2
    assert (x2 - x1) < 1.2 / 7


def test_the_scale_of_a_map_is_of_no_account():
    heatmap = np.random.default_rng(0).random((7, 7)).astype(np.float32)
    box = heatmap_box(heatmap, GRID, threshold=0.7)
    np.testing.assert_array_equal(heatmap_box(heatmap * 1e-4, GRID, threshold=0.7), box)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_map_without_a_positive_value_has_no_box(value):
    heatmap = np.full((7, 7), value, np.float32)
    assert heatmap_box(heatmap, GRID, threshold=0.7) is None
    assert crop_box(heatmap, GRID, threshold=0.7, margin=0.0, min_side=0.0) is None


def test_a_constant_map_is_the_whole_image():
    np.testing.assert_array_equal(heatmap_box(np.ones((7, 7)), GRID, threshold=0.7), [0, 0, 1, 1])


def test_a_transposed_map_has_the_transposed_box():
    heatmap = np.random.default_rng(1).random((6, 6)).astype(np.float32)
    x1, y1, x2, y2 = heatmap_box(heatmap, GRID, threshold=0.6)
    transposed = heatmap_box(heatmap.T.copy(), GRID, threshold=0.6)
    np.testing.assert_allclose(transposed, [y1, x1, y2, x2], atol=1e-6)


def test_a_crop_is_the_pixels_of_its_box():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    crop = cut_crop(image, np.array([0.25, 0.5, 0.75, 1.0]), size=4)
    np.testing.assert_array_equal(crop, image[4:8, 2:6])
