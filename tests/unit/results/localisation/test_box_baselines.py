"""Boxes that see no image: honest halves, the best box, and the known figures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_results import scored

from pipeline.base.findings import canonical
from pipeline.results.localisation.box_baselines import BOX_BASELINES, CENTRE_BOX, fit_box
from pipeline.results.localisation.box_measures import MEAN
from pipeline.results.localisation.boxed_findings import Case, boxed_cases
from pipeline.results.localisation.overlap import MEASURES, Detection, box_iou

NIH = Path(__file__).parents[4] / "../shared/nih-sample"


def case(patient_id, box, finding="Mass"):
    return Case(
        f"{patient_id:08d}_000.png", patient_id, patient_id, finding, np.array([box], float)
    )


def jittered(n, *, seed=0, finding="Mass"):
    rng = np.random.default_rng(seed)
    boxes = np.array([0.2, 0.3, 0.6, 0.8]) + rng.normal(scale=0.03, size=(n, 4))
    return [case(i, box, finding) for i, box in enumerate(boxes)]


@pytest.mark.parametrize("name", BOX_BASELINES)
def test_a_baseline_says_something_of_every_case(name):
    cases = jittered(7)
    detections = BOX_BASELINES[name](cases)
    assert len(detections) == len(cases)
    assert all(d.box is not None and (d.box >= 0).all() and (d.box <= 1).all() for d in detections)


@pytest.mark.parametrize("name", ["constant_box", "per_finding_box"])
def test_no_case_is_scored_with_a_box_fitted_on_its_patient(name):
    cases = jittered(8)
    before = BOX_BASELINES[name](cases)[3].box
    moved = [
        c._replace(truths=c.truths * 0 + [0, 0, 0.1, 0.1]) if c.row == 3 else c for c in cases
    ]
    assert (BOX_BASELINES[name](moved)[3].box == before).all()


def test_the_order_of_cases_does_not_matter():
    cases = jittered(9)
    there = {
        c.row: d.box for c, d in zip(cases, BOX_BASELINES["constant_box"](cases), strict=True)
    }
    for c, d in zip(cases[::-1], BOX_BASELINES["constant_box"](cases[::-1]), strict=True):
        assert (there[c.row] == d.box).all()


def test_the_box_of_identical_boxes_is_that_box():
    truth = np.array([0.1875, 0.296875, 0.609375, 0.7890625])  # on 1/128
    assert box_iou(fit_box([case(0, truth), case(1, truth)])[None], truth[None])[0, 0] > 0.97


def test_the_fitted_box_beats_thousands_of_random_ones():
    cases = jittered(30)
    truths = np.concatenate([c.truths for c in cases])
    rng = np.random.default_rng(1)
    tried = np.sort(rng.random((5000, 2, 2)), axis=1).reshape(5000, 4)
    fitted = box_iou(fit_box(cases)[None], truths).mean()
    assert fitted > box_iou(tried, truths).mean(axis=1).max()
    assert fitted >= box_iou(truths.mean(axis=0)[None], truths).mean() - 0.01


def test_a_frequent_finding_does_not_outweigh_a_rare_one():
    often = [case(i, [0, 0, 0.5, 1], "Mass") for i in range(20)]
    rare = [case(20, [0, 0, 0.55, 1], "Nodule")]
    wide = box_iou(np.array([[0, 0, 0.55, 1]]), np.array([[0, 0, 0.5, 1]]))[0, 0]
    assert 0.5 <= fit_box(often + rare)[2] <= 0.55
    assert wide < 1


def test_where_the_other_half_lacks_a_finding_its_best_single_box_stands_in():
    cases = [case(0, [0, 0, 0.5, 0.5], "Hernia"), case(1, [0.5, 0.5, 1, 1])]
    first, second = BOX_BASELINES["per_finding_box"](cases)
    assert box_iou(first.box[None], cases[1].truths)[0, 0] > 0.97
    assert box_iou(second.box[None], cases[0].truths)[0, 0] > 0.97


def test_where_the_other_half_is_empty_the_centred_box_stands_in():
    for name in ("constant_box", "per_finding_box"):
        (alone,) = BOX_BASELINES[name]([case(0, [0, 0, 0.1, 0.1])])
        assert (alone.box == CENTRE_BOX).all()


def test_of_several_boxes_of_a_case_the_one_that_is_met_best_counts():
    """Two lungs, and always the left one drawn alike: its box meets every case."""
    left, rng = [0.1, 0.2, 0.4, 0.8], np.random.default_rng(0)
    cases = [
        case(i, left)._replace(truths=np.array([left, [0.6, y, 0.9, y + 0.2]]))
        for i, y in enumerate(rng.uniform(0.1, 0.7, 8))
    ]
    assert box_iou(fit_box(cases)[None], np.array([left]))[0, 0] > 0.97


@pytest.fixture(scope="module")
def official():
    if not NIH.is_dir():
        pytest.skip("needs the real NIH box list beside the project")
    table = pd.read_csv(NIH / "BBox_List_2017.csv").iloc[:, :6]
    table.columns = ["image_index", "finding", "x1", "y1", "x2", "y2"]
    table[["x2", "y2"]] += table[["x1", "y1"]].to_numpy()
    table[["x1", "y1", "x2", "y2"]] /= 1024
    table["finding"] = table["finding"].map(canonical)
    names = sorted(table["image_index"].unique())
    patients = [int(name[:8]) for name in names]
    return boxed_cases(table, pd.DataFrame({"image_index": names, "patient_id": patients}))


def means(detections, cases):
    """Over findings, by measure."""
    found = scored(detections, cases, replicates=0, seed=0)
    assert found.cases[MEAN] == len(cases)
    return dict(zip(MEASURES, found.means[MEAN], strict=True))


def test_the_centre_box_has_its_known_figures_on_the_official_boxes(official):
    mean = means(BOX_BASELINES["centre_box"](official), official)
    assert len(official) == 984
    assert mean["iou"] == pytest.approx(0.151, abs=5e-4)
    known = {"0.1": 0.426, "0.3": 0.185, "0.5": 0.087, "0.7": 0.008}
    assert {t: mean[f"t_iou.{t}"] for t in known} == pytest.approx(known, abs=5e-4)


@pytest.mark.slow
def test_fitted_boxes_have_their_known_figures_on_the_official_boxes(official):
    constant = fit_box(official)
    of_finding = {
        name: fit_box([c for c in official if c.finding == name])
        for name in {c.finding for c in official}
    }
    same = [Detection(constant, None) for _ in official]
    own = [Detection(of_finding[c.finding], None) for c in official]
    assert 0.170 <= means(same, official)["iou"] <= 0.175
    assert 0.210 <= means(own, official)["iou"] <= 0.215
    honest = means(BOX_BASELINES["per_finding_box"](official), official)["iou"]
    assert honest < 0.210
