"""From heatmap to crop: the largest region, the whole image where there is none."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.filters import threshold_otsu

from pipeline.attention.crop import (
    BoxRule,
    cut_crop,
    cut_crops,
    fine_map,
    heatmap_box,
    largest_regions,
    otsu,
    region_box,
    region_boxes,
)
from pipeline.base.grid import tiles
from pipeline.base.shards import Shards, write_shards

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
    assume(mask.any())
    found = list(regions(mask))
    equals = [region for region in found if len(region) == max(map(len, found))]
    first = np.array(sorted(min(equals, key=min)))  # in reading order
    ((x1, y1, x2, y2),) = largest_regions(mask.astype(np.float32), mask.astype(np.uint8), 1)
    assert [y1, x1] == first.min(axis=0).tolist()
    assert [y2, x2] == (first.max(axis=0) + 1).tolist()


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.sampled_from([0, 1, 2, 3, 4]),
    ),
    st.lists(st.sampled_from([0.1, 0.3, 0.6, 0.9]), unique=True).map(sorted),
)
def test_the_peaks_boxes_are_those_of_a_flood_fill_from_every_maximum(fine, thresholds):
    height, width = fine.shape
    found = region_boxes(fine, thresholds, "peak") * [width, height, width, height]
    for box, threshold in zip(found, thresholds, strict=True):
        if not fine.any():
            assert not box.any()
            continue
        joined = [
            np.array([*region])
            for region in regions(fine > threshold * fine.max())
            if any(fine[cell] == fine.max() for cell in region)
        ]
        (y1, x1), (y2, x2) = (of(np.concatenate(joined), axis=0) for of in (np.min, np.max))
        np.testing.assert_allclose(box, [x1, y1, x2 + 1, y2 + 1])


@given(
    st.integers(3, 14), st.floats(0.2, 0.8), st.floats(0.2, 0.8), st.floats(0.05, 0.2),
    st.floats(0.1, 0.9),
)  # fmt: skip
def test_the_box_of_a_planted_blob_holds_its_middle(cells, x, y, spread, threshold):
    grid = tiles(cells)
    places = grid.first + grid.step * np.arange(cells)
    blob = np.exp(-((places - y)[:, None] ** 2 + (places - x) ** 2) / (2 * spread**2))
    x1, y1, x2, y2 = heatmap_box(blob, grid, BoxRule(threshold, "peak"))
    half = grid.step / 2  # the blob's peak is known to a cell
    assert x1 - half <= x <= x2 + half
    assert y1 - half <= y <= y2 + half


@given(hnp.arrays(np.float32, (6, 9), elements=st.floats(0, 1, width=32)), st.floats(0, 0.9))
def test_the_box_of_a_mirrored_map_is_the_mirrored_box(heatmap, threshold):
    fine = fine_map(heatmap, GRID)
    box, turned = (region_box(one, BoxRule(threshold, "peak")) for one in (fine, fine[:, ::-1]))
    if box is None:
        assert turned is None
        return
    np.testing.assert_allclose(turned, [1 - box[2], box[1], 1 - box[0], box[3]], atol=1e-12)


@given(
    hnp.arrays(np.float32, (6, 9), elements=st.sampled_from([0, 0.1, 0.3, 0.5, 0.7, 1])),
    st.sampled_from(["peak", "largest"]),
)
def test_boxes_at_rising_thresholds_are_those_of_each(heatmap, region):
    fine, thresholds = fine_map(heatmap, GRID), (0.05, 0.2, 0.4, 0.6, 0.95)
    each = [region_box(fine, BoxRule(threshold, region)) for threshold in thresholds]
    expected = [np.zeros(4) if box is None else box for box in each]
    np.testing.assert_array_equal(region_boxes(fine, thresholds, region), expected)


def test_a_planted_blob_is_in_its_box():
    heatmap = np.zeros((7, 7), np.float32)
    heatmap[2, 5] = 3.0
    x1, y1, x2, y2 = heatmap_box(heatmap, GRID, BoxRule(0.7, "peak"))
    assert x1 < 5.5 / 7 < x2
    assert y1 < 2.5 / 7 < y2
    assert (x2 - x1) < 1.2 / 7


def test_the_scale_of_a_map_is_of_no_account():
    heatmap = np.random.default_rng(0).random((7, 7)).astype(np.float32)
    box = heatmap_box(heatmap, GRID, BoxRule(0.7, "peak"))
    np.testing.assert_array_equal(heatmap_box(heatmap * 1e-4, GRID, BoxRule(0.7, "peak")), box)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_map_without_a_positive_value_has_no_box(value):
    heatmap = np.full((7, 7), value, np.float32)
    assert heatmap_box(heatmap, GRID, BoxRule(0.7, "peak")) is None


def test_a_constant_map_is_the_whole_image():
    np.testing.assert_array_equal(
        heatmap_box(np.ones((7, 7)), GRID, BoxRule(0.7, "peak")), [0, 0, 1, 1]
    )


def test_a_transposed_map_has_the_transposed_box():
    heatmap = np.random.default_rng(1).random((6, 6)).astype(np.float32)
    x1, y1, x2, y2 = heatmap_box(heatmap, GRID, BoxRule(0.6, "peak"))
    transposed = heatmap_box(heatmap.T.copy(), GRID, BoxRule(0.6, "peak"))
    np.testing.assert_allclose(transposed, [y1, x1, y2, x2], atol=1e-6)


def test_a_crop_is_the_pixels_of_its_box():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    crop = cut_crop(image, np.array([0.25, 0.5, 0.75, 1.0]), size=4)
    np.testing.assert_array_equal(crop, image[4:8, 2:6])


def test_crops_come_in_the_order_of_their_images(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (600, 8, 8), np.uint8)
    write_shards(({"image": one} for one in images), tmp_path / "i")
    placed = pd.DataFrame([[0.25, 0.5, 0.75, 1.0]] * 600, columns=["x1", "y1", "x2", "y2"])
    crops = [row["image"] for row in cut_crops(Shards(tmp_path / "i"), placed, size=4)]
    np.testing.assert_array_equal(np.stack(crops), images[:, 4:8, 2:6])


def test_otsus_threshold_is_that_of_the_map_whatever_its_scale():
    """Against scikit-image's, of the same 256 levels."""
    rng = np.random.default_rng(0)
    for heatmap in (rng.random((112, 112)) ** 3, np.outer(np.hanning(112), np.hanning(112))):
        fine = heatmap.astype(np.float32)
        levels = np.round(fine / fine.max() * 255).astype(np.uint8)
        assert otsu(fine) == pytest.approx((threshold_otsu(levels) + 0.5) / 255)
        assert otsu(fine * 1e-3) == otsu(fine)
        box = region_box(fine, BoxRule("otsu", "peak"))
        np.testing.assert_array_equal(box, region_box(fine, BoxRule(otsu(fine), "peak")))


def test_otsu_finds_a_blob_on_an_even_ground_whatever_their_distance():
    for ground in (0.0, 0.3, 0.8):
        fine = np.full((112, 112), ground, np.float32)
        fine[20:60, 30:90] = 1
        box = region_box(fine, BoxRule("otsu", "peak"))
        np.testing.assert_allclose(box * 112, [30, 20, 90, 60])


def test_otsu_does_not_split_a_map_of_one_value():
    fine = np.ones((112, 112), np.float32)
    assert otsu(fine) == 0
    np.testing.assert_array_equal(region_box(fine, BoxRule("otsu", "peak")), [0, 0, 1, 1])
