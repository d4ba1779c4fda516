"""Boxes: laws of growing, enclosing and turning into pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.attention.boxes import enclosing_box, grow_box, pixel_box

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
EDGES = st.lists(st.floats(0, 1), min_size=4, max_size=4)


@given(MASKS)
def test_the_enclosing_box_holds_all_and_every_side_touches(mask):
    if not mask.any():
        with pytest.raises(ValueError, match="empty"):
            enclosing_box(mask)
        return
    height, width = mask.shape
    x1, y1, x2, y2 = pixel_box(enclosing_box(mask), width=width, height=height)
    inside = mask[y1:y2, x1:x2]
    assert inside.sum() == mask.sum()
    assert inside[0].any()
    assert inside[-1].any()
    assert inside[:, 0].any()
    assert inside[:, -1].any()


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
