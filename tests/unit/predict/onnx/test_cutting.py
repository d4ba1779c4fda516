"""Crops that a graph cuts are OpenCV's, to the byte."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.attention.crop import cut_crop
from pipeline.cohort.reading.images import thumbnail
from pipeline.predict.onnx.cutting import cut_boxes
from pipeline.predict.onnx.placing import pixel_boxes


def cut(images, boxes, size):
    """By the graph's functions, of boxes in pixels."""
    grey = torch.from_numpy(images).float()
    return cut_boxes(grey, torch.tensor(boxes), size=size).numpy()


def expect_opencvs(images, boxes, size):
    found = cut(images, boxes, size)
    for image, box, one in zip(images, boxes, found, strict=True):
        fractions = np.array(box) / image.shape[0]
        np.testing.assert_array_equal(one, cut_crop(image, fractions, size=size), str(box))


def some_images(rows, side, seed):
    return np.random.default_rng(seed).integers(0, 256, (rows, side, side)).astype(np.uint8)


@st.composite
def boxes_of(draw, side):
    x1, y1 = (draw(st.integers(0, side - 1)) for _ in range(2))
    return [x1, y1, draw(st.integers(x1 + 1, side)), draw(st.integers(y1 + 1, side))]


@given(st.lists(boxes_of(100), min_size=8, max_size=8), st.integers(0, 2**16))
@settings(max_examples=20)
def test_a_box_of_any_shape_is_cut_to_the_byte(boxes, seed):
    """Larger than the crop both ways (area) or not (linear), in one batch."""
    expect_opencvs(some_images(8, 100, seed), boxes, 33)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 2), (3, 3), (2, 3), (1, 4), (5, 1)])
def test_whole_scales_are_means_that_round_as_opencvs(width, height):
    side, size = 180, 32
    box = [7, 3, 7 + width * size, 3 + height * size]
    expect_opencvs(some_images(20, side, width), [box] * 20, size)


@pytest.mark.parametrize("box", [[0, 0, 1, 1], [63, 63, 64, 64], [0, 5, 64, 6], [10, 0, 11, 64]])
def test_a_box_of_a_pixel_or_a_line_is_cut_to_the_byte(box):
    expect_opencvs(some_images(4, 64, 0), [box] * 4, 32)


def test_a_crop_larger_than_the_image_is_cut_to_the_byte():
    expect_opencvs(some_images(3, 40, 0), [[0, 0, 40, 40], [3, 9, 30, 40], [5, 5, 6, 40]], 64)


@pytest.mark.parametrize("side", [256, 96, 100])
def test_a_thumbnail_is_cut_to_the_byte(side):
    images = some_images(5, side, side)
    found = cut(images, [[0, 0, side, side]] * 5, 16)
    np.testing.assert_array_equal(found, [thumbnail(one) for one in images])


def test_an_edge_on_the_border_of_pixels_stays_there():
    boxes = torch.tensor([[0.1 + 0.2, 0.0, 0.7, 1.0]], dtype=torch.float64)
    assert pixel_boxes(boxes, 10).tolist() == [[3, 0, 7, 10]]
