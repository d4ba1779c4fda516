"""Boxes: laws of growing, enclosing and turning into pixels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.attention.boxes import enclosing_box, grow_box, pixel_box

EDGES = st.lists(st.floats(0, 1), min_size=4, max_size=4)


@given(st.lists(EDGES, min_size=1, max_size=5))
def test_the_enclosing_box_holds_all_boxes_and_touches_one_on_every_side(several):
    boxes = np.sort(np.array(several).reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    box = enclosing_box(boxes)
    assert (box[:2] <= boxes[:, :2]).all()
    assert (box[2:] >= boxes[:, 2:]).all()
    assert all((boxes[:, side] == box[side]).any() for side in range(4))


@given(EDGES, st.floats(0, 1), st.floats(0, 1))
def test_a_grown_box_holds_the_box_within_the_image(edges, margin, min_side):
    box = np.array([*np.minimum(edges[:2], edges[2:]), *np.maximum(edges[:2], edges[2:])])
    grown = grow_box(box, margin=margin, min_side=min_side)
    assert (grown[:2] <= box[:2] + 1e-9).all()
    assert (grown[2:] >= box[2:] - 1e-9).all()
    assert (grown >= 0).all()
    assert (grown <= 1 + 1e-9).all()
    assert (grown[2:] - grown[:2] >= min_side - 1e-9).all()


def test_growing_keeps_the_centre_where_there_is_room():
    grown = grow_box(np.array([0.4, 0.4, 0.6, 0.6]), margin=0.25, min_side=0.0)
    np.testing.assert_allclose(grown, [0.35, 0.35, 0.65, 0.65])


@given(EDGES, st.integers(1, 50), st.integers(1, 50))
def test_pixels_are_never_none_and_never_outside(edges, width, height):
    box = np.array([*np.minimum(edges[:2], edges[2:]), *np.maximum(edges[:2], edges[2:])])
    x1, y1, x2, y2 = pixel_box(box, width=width, height=height)
    assert 0 <= x1 < x2 <= width
    assert 0 <= y1 < y2 <= height
