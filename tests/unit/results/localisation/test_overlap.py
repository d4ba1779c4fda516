"""One detection against the truth: by counting pixels, by hand, and at the edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.results.localisation.overlap import (
    MEASURES,
    Detection,
    Overlap,
    area,
    box_iou,
    contains,
    measured,
    overlap,
    share_inside,
)

SIDE = 12


@st.composite
def boxes(draw):
    """A box with edges on twelfths, so that pixels count exactly."""
    x1, y1 = (draw(st.integers(0, SIDE - 1)) for _ in "xy")
    x2, y2 = draw(st.integers(x1 + 1, SIDE)), draw(st.integers(y1 + 1, SIDE))
    return np.array([x1, y1, x2, y2]) / SIDE


def pixels(box):
    x1, y1, x2, y2 = np.rint(box * SIDE).astype(int)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y1:y2, x1:x2] = True
    return mask


@given(boxes(), boxes())
def test_iou_is_that_of_counted_pixels(one, other):
    a, b = pixels(one), pixels(other)
    expected = (a & b).sum() / (a | b).sum()
    assert box_iou(one[None], other[None])[0, 0] == pytest.approx(expected, abs=1e-12)


@given(boxes(), boxes())
def test_iou_is_symmetric_and_one_only_for_the_box_itself(one, other):
    there, back = box_iou(one[None], other[None])[0, 0], box_iou(other[None], one[None])[0, 0]
    assert there == pytest.approx(back, abs=1e-12)
    assert 0 <= there <= 1
    assert (there > 1 - 1e-9) == np.allclose(one, other)


@given(boxes(), st.lists(boxes(), min_size=1, max_size=4))
def test_the_best_matching_true_box_counts(box, truths):
    found = overlap(Detection(box, box[:2]), np.stack(truths))
    ious = [box_iou(box[None], truth[None])[0, 0] for truth in truths]
    assert found.iou == max(ious)
    best = pixels(truths[int(np.argmax(ious))])
    expected = (pixels(box) & best).sum() / pixels(box).sum()
    assert found.iobb == pytest.approx(expected, abs=1e-12)


@given(boxes(), boxes())
def test_a_detected_box_within_the_truth_has_an_iobb_of_one(inner, outer):
    if (pixels(inner) <= pixels(outer)).all():
        assert overlap(Detection(inner, None), outer[None]).iobb == pytest.approx(1)


def test_a_point_is_in_a_half_open_box():
    truth = np.array([[0.25, 0.25, 0.5, 0.5]])
    assert contains(truth, np.array([0.25, 0.25]))
    assert not contains(truth, np.array([0.5, 0.3]))


def test_a_detection_of_nothing_scores_nought_and_is_empty():
    truth = np.array([[0.0, 0.0, 1.0, 1.0]])
    boxed = overlap(Detection(truth[0], None), truth)
    assert np.isnan([boxed.pointing, boxed.energy]).all()
    found = overlap(Detection(None, None, energy=0.0), truth)
    assert found == Overlap(0.0, 0.0, 0.0, 0.0, empty_rate=1.0)


def test_a_box_without_area_scores_nought():
    point = np.array([0.5, 0.5, 0.5, 0.5])
    found = overlap(Detection(point, None), np.array([[0.0, 0.0, 1.0, 1.0]]))
    assert (found.iou, found.iobb) == (0, 0)
    assert area(point[None]) == 0


def test_measures_by_hand():
    hits = [Overlap(0.35, 0.5, 1.0, np.nan, 0.0), Overlap(0.0, 0.0, 0.0, np.nan, 1.0)]
    found = dict(zip(MEASURES, measured(hits).mean(axis=0), strict=True))
    assert found["iou"] == pytest.approx(0.175)
    assert (found["iobb"], found["pointing"], found["empty_rate"]) == (0.25, 0.5, 0.5)
    t_iou = [found[f"t_iou.{t}"] for t in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)]
    assert t_iou == [0.5, 0.5, 0.5, 0, 0, 0, 0]
    assert [found[f"t_iobb.{t}"] for t in (0.1, 0.25, 0.5, 0.75, 0.9)] == [0.5, 0.5, 0, 0, 0]
    assert np.isnan(found["energy"])


@given(st.lists(boxes(), min_size=1, max_size=3), st.integers(0, 9))
def test_the_share_of_a_map_inside_boxes_is_that_of_counted_pixels(truths, seed):
    fine = np.random.default_rng(seed).random((SIDE, SIDE))
    inside = np.any([pixels(truth) for truth in truths], axis=0)
    expected = fine[inside].sum() / fine.sum()
    assert share_inside(fine, np.stack(truths)) == pytest.approx(expected, abs=1e-12)


def test_a_cell_that_a_box_halves_counts_by_half():
    box = np.array([[0.0, 0.0, 0.25, 1.0]])
    assert share_inside(np.ones((2, 2)), box) == pytest.approx(0.25)
    assert share_inside(np.zeros((2, 2)), box) == 0
