"""What heatmaps say of cases: boxes, thresholds that are fitted honestly, and noise."""

import numpy as np
import pandas as pd
import pytest

from pipeline.attention.crop import BoxRule
from pipeline.attention.heatmaps import Maps
from pipeline.base.findings import FINDINGS
from pipeline.base.grid import tiles
from pipeline.base.shards import Shards, write_shards
from pipeline.results.localisation.boxed_findings import Case, boxed_cases, patient_halves
from pipeline.results.localisation.detections import (
    THRESHOLDS,
    detect_in_noise,
    detect_with_fitted_thresholds,
    draw,
    draw_maps,
)
from pipeline.results.localisation.overlap import box_iou

SIDE = 28


def blob(x, y, spread):
    places = (np.arange(SIDE) + 0.5) / SIDE
    squared = (places - y)[:, None] ** 2 + (places - x) ** 2
    return np.exp(-squared / (2 * spread**2))


@pytest.fixture
def cohort(tmp_path):
    """Blobs whose true boxes are where they exceed 0.3 of their maximum."""
    rng = np.random.default_rng(0)
    rows, cases = [], []
    for place in range(16):
        x, y, spread = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), rng.uniform(0.08, 0.14)
        half = spread * np.sqrt(-2 * np.log(0.3))
        rows.append({"attention": blob(x, y, spread)[None].astype(np.float16)})
        truth = np.array([[x - half, y - half, x + half, y + half]])
        cases.append(Case(f"{place:02d}.png", place, place, "Mass", truth))
    write_shards(rows, tmp_path / "m")
    return Maps(Shards(tmp_path / "m", "attention"), tiles(SIDE)), cases


def detect_in_maps(maps, cases, rule):
    return [one.detect(rule) for one in draw_maps(maps, cases)]


def detect_fitted(maps, cases):
    return detect_with_fitted_thresholds(draw_maps(maps, cases), cases, "peak")


def mean_iou(detections, cases):
    return np.mean(
        [box_iou(d.box[None], c.truths).max() for d, c in zip(detections, cases, strict=True)]
    )


def test_the_fitted_threshold_is_the_one_that_made_the_boxes(cohort):
    maps, cases = cohort
    fitted = detect_fitted(maps, cases)
    right = detect_in_maps(maps, cases, BoxRule(0.3, "peak"))
    for one, other in zip(fitted, right, strict=True):
        np.testing.assert_array_equal(one.box, other.box)
    assert (
        mean_iou(fitted, cases)
        > 0.9
        > mean_iou(detect_in_maps(maps, cases, BoxRule(0.7, "peak")), cases)
    )


def test_no_case_is_scored_with_a_threshold_fitted_on_its_own_half(cohort):
    """The even half's boxes are as 0.8 would draw them; the odd half is judged with that."""
    maps, cases = cohort
    halves = patient_halves(cases)
    shrunk = [
        case._replace(truths=detect_in_maps(maps, [case], BoxRule(0.8, "peak"))[0].box[None])
        if half == 0 else case
        for case, half in zip(cases, halves, strict=True)
    ]  # fmt: skip
    fitted = detect_fitted(maps, shrunk)
    for case, half, one in zip(shrunk, halves, fitted, strict=True):
        expected = detect_in_maps(maps, [case], BoxRule(0.3 if half == 0 else 0.8, "peak"))[0]
        np.testing.assert_array_equal(one.box, expected.box)


def test_each_finding_has_a_threshold_of_its_own_where_the_other_half_knows_it(cohort):
    """Masses are drawn at 0.3, nodules at 0.8, and the one hernia is judged by both."""
    maps, cases = cohort
    drawn = [
        case._replace(
            finding="Nodule",
            truths=detect_in_maps(maps, [case], BoxRule(0.8, "peak"))[0].box[None],
        )
        if place % 4 > 1 else case
        for place, case in enumerate(cases)
    ]  # fmt: skip
    drawn[0] = drawn[0]._replace(finding="Hernia")
    fitted = detect_fitted(maps, drawn)
    for case, one in zip(drawn[1:], fitted[1:], strict=True):
        threshold = 0.8 if case.finding == "Nodule" else 0.3
        expected = detect_in_maps(maps, [case], BoxRule(threshold, "peak"))[0]
        np.testing.assert_array_equal(one.box, expected.box)
    common = [detect_in_maps(maps, drawn[:1], BoxRule(t, "peak"))[0].box for t in (0.3, 0.8)]
    assert common[1][0] >= fitted[0].box[0] >= common[0][0]


def test_a_single_patient_s_threshold_is_the_middle_one(cohort):
    maps, cases = cohort
    (one,) = detect_fitted(maps, cases[:1])
    middle = THRESHOLDS[len(THRESHOLDS) // 2]
    np.testing.assert_array_equal(
        one.box, detect_in_maps(maps, cases[:1], BoxRule(middle, "peak"))[0].box
    )


def test_noise_is_the_same_for_the_same_seed_and_finds_little(cohort):
    _, cases = cohort
    rule, options = BoxRule(0.7, "peak"), {"shape": (7, 7), "grid": tiles(7)}
    one, again, other = (detect_in_noise(cases, rule, **options, seed=seed) for seed in (1, 1, 2))
    assert all((a.box == b.box).all() for a, b in zip(one, again, strict=True))
    assert any((a.box != b.box).any() for a, b in zip(one, other, strict=True))
    assert mean_iou(one, cases) < 0.3


def test_energy_is_the_share_of_the_map_in_the_boxes():
    heatmap = np.zeros((4, 4))
    heatmap[:, 0] = 1.0
    heatmap[0, 3] = 1.0
    left = Case("a.png", 0, 0, "Mass", np.array([[0.0, 0.0, 0.5, 1.0]]))
    right = left._replace(truths=np.array([[0.5, 0.0, 1.0, 1.0]]))
    found = [draw(heatmap, tiles(4), case).detect(BoxRule(0.5, "peak")) for case in (left, right)]
    assert found[0].energy + found[1].energy == pytest.approx(1)
    assert 0.7 < found[0].energy < 0.9
    assert draw(np.zeros((4, 4)), tiles(4), left).detect(BoxRule(0.5, "peak")).energy == 0


def test_a_box_of_a_finding_that_the_label_lacks_is_a_case():
    """A radiologist saw it; that the text-mined label did not is no reason to look away."""
    index = pd.DataFrame({"image_index": ["a.png"], "patient_id": [5], "Mass": [False]})
    boxes = pd.DataFrame(
        [("a.png", "Mass", 0.1, 0.1, 0.2, 0.2)],
        columns=["image_index", "finding", "x1", "y1", "x2", "y2"],
    )
    assert [case.finding for case in boxed_cases(boxes, index)] == ["Mass"]
    assert "Mass" in FINDINGS
