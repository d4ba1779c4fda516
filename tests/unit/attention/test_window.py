"""The square of most evidence: against a search of all places, and where all are alike."""

from itertools import product

import numpy as np
import pytest

from pipeline.attention.boxes import WHOLE_IMAGE
from pipeline.attention.crop import cut_crop, cut_sheet, fine_map
from pipeline.attention.window import WINDOW_GRID, evidence_window, window_cells
from pipeline.base.grid import tiles

GRID = tiles(8)


def chance(seed):
    return np.random.default_rng(seed).normal(size=(8, 8)).astype(np.float32)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("side", [0.5, 0.25, 0.11])
def test_no_other_square_holds_more(seed, side):
    fine = fine_map(chance(seed), GRID, side=WINDOW_GRID).astype(float)
    box = evidence_window(chance(seed), GRID, side=side)
    cells = round(side * WINDOW_GRID)
    assert box[2:] - box[:2] == pytest.approx(cells / WINDOW_GRID)
    x1, y1, x2, y2 = np.rint(box * WINDOW_GRID).astype(int)
    places = product(range(0, WINDOW_GRID - cells + 1, 2), repeat=2)
    most = max(fine[y : y + cells, x : x + cells].sum() for y, x in places)
    assert fine[y1:y2, x1:x2].sum() >= most * (1 - 1e-3)


def test_a_spot_is_in_the_middle_of_its_window():
    heatmap = np.full((8, 8), -1, np.float32)
    heatmap[2, 5] = 2
    box = evidence_window(heatmap, GRID, side=0.25)
    assert (box[:2] + box[2:]) / 2 == pytest.approx([5.5 / 8, 2.5 / 8], abs=0.02)


def test_where_all_places_are_alike_the_one_in_the_middle_is_taken():
    flat = evidence_window(np.ones((8, 8), np.float32), GRID, side=0.25)
    assert flat == pytest.approx([0.375, 0.375, 0.625, 0.625])


def test_a_map_without_evidence_says_nothing():
    assert evidence_window(-np.ones((8, 8), np.float32), GRID, side=0.25) is None


def test_what_is_taken_does_not_count():
    heatmap = np.zeros((8, 8), np.float32)
    heatmap[2, 5], heatmap[6, 1] = 2, 1
    first = evidence_window(heatmap, GRID, side=0.25)
    second = evidence_window(heatmap, GRID, side=0.25, taken=[first])
    assert (second[:2] + second[2:]) / 2 == pytest.approx([1.5 / 8, 6.5 / 8], abs=0.02)
    assert evidence_window(heatmap, GRID, side=0.25, taken=[WHOLE_IMAGE]) is None


def test_a_window_of_a_quarter_is_cut_from_256_pixels_as_they_are():
    boxes = np.stack([evidence_window(chance(seed), GRID, side=0.25) for seed in range(4)])
    edges = boxes * 256
    assert edges == pytest.approx(np.rint(edges))
    image = np.random.default_rng(0).integers(0, 256, (256, 256)).astype(np.uint8)
    sheet = cut_sheet(image, boxes, size=128)
    for place, (x1, y1, x2, y2) in enumerate(np.rint(edges).astype(int)):
        row, column = divmod(place, 2)
        part = sheet[64 * row : 64 * row + 64, 64 * column : 64 * column + 64]
        np.testing.assert_array_equal(part, image[y1:y2, x1:x2])


def test_a_sheet_of_one_crop_is_that_crop():
    image = np.random.default_rng(0).integers(0, 256, (90, 90)).astype(np.uint8)
    box = np.array([0.1, 0.2, 0.7, 0.9])
    np.testing.assert_array_equal(
        cut_sheet(image, box[None], size=32), cut_crop(image, box, size=32)
    )


@pytest.mark.parametrize(("side", "cells"), [(1.0, 128), (0.25, 32), (0.001, 1), (0.3, 38)])
def test_a_window_has_at_least_one_cell_and_at_most_all(side, cells):
    assert window_cells(side, 128) == cells
