"""Means over cases and their intervals, against pandas and against drawing patients by hand."""

import numpy as np
import pandas as pd
import pytest
from made_results import scored

from pipeline.results.localisation.box_measures import MEAN, compare, entries
from pipeline.results.localisation.boxed_findings import Case
from pipeline.results.localisation.overlap import MEASURES, Detection, overlap
from pipeline.results.statistics.bootstrap import patient_counts, percentile_interval

IOU = MEASURES.index("iou")


def made(n=24, *, seed=0, energy=0.5):
    """Cases of three findings, one or two of a patient, and detections near their boxes."""
    rng = np.random.default_rng(seed)
    cases, detections = [], []
    for place in range(n):
        truth = np.sort(rng.random((2, 2)), axis=0).ravel()
        finding = ("Mass", "Nodule", "Effusion")[place % 3]
        cases.append(Case(f"{place}.png", place, place // 2, finding, truth[None]))
        box = np.clip(truth + rng.normal(scale=0.1, size=4), 0, 1)
        box[2:] = np.maximum(box[2:], box[:2])
        detections.append(Detection(box, truth[:2], energy=energy))
    return cases, detections


def ious(cases, detections):
    return np.array([overlap(d, c.truths).iou for c, d in zip(cases, detections, strict=True)])


def test_means_are_over_the_cases_of_a_finding_and_then_over_findings():
    cases, detections = made(25)
    found = scored(detections, cases, replicates=0, seed=0)
    frame = pd.DataFrame({"finding": [c.finding for c in cases], "iou": ious(cases, detections)})
    by_finding = frame.groupby("finding")["iou"].mean()
    for finding, expected in by_finding.items():
        assert found.means[finding][IOU] == pytest.approx(expected)
    assert found.mean_iou == pytest.approx(by_finding.mean())
    assert found.cases == {"Effusion": 8, "Mass": 9, "Nodule": 8, MEAN: 25}


def test_a_replicate_is_the_mean_over_the_cases_of_the_patients_drawn():
    cases, detections = made()
    found = scored(detections, cases, replicates=6, seed=3)
    counts = patient_counts(12, replicates=6, seed=3)
    values, findings = ious(cases, detections), np.array([c.finding for c in cases])
    for replicate in range(6):
        drawn = np.concatenate(
            [
                np.full(int(counts[case.patient_id, replicate]), row)
                for row, case in enumerate(cases)
            ]
        ).astype(int)
        means = [
            values[drawn][findings[drawn] == name].mean() for name in np.unique(findings[drawn])
        ]
        assert found.replicates[MEAN][replicate, IOU] == pytest.approx(np.mean(means))


def test_a_finding_that_a_replicate_lacks_is_left_out_of_its_mean():
    cases, detections = made(5)
    findings = ["Mass", "Mass", "Mass", "Nodule", "Nodule"]
    alone = [
        case._replace(patient_id=place, finding=finding)
        for place, (case, finding) in enumerate(zip(cases, findings, strict=True))
    ]
    found = scored(detections, alone, replicates=300, seed=0)
    lacks = np.isnan(found.replicates["Nodule"][:, IOU])
    assert 0 < lacks.sum() < 100
    same = found.replicates[MEAN][lacks, IOU] == found.replicates["Mass"][lacks, IOU]
    assert same.all()


def test_of_one_patient_alone_there_is_no_interval():
    """Every replicate would be the same, which is no certainty."""
    cases, detections = made(6)
    one = [case._replace(patient_id=0) for case in cases]
    assert np.isnan(scored(detections, one, replicates=20, seed=0).replicates[MEAN]).all()
    rare = [case._replace(patient_id=case.finding == "Mass") for case in cases]
    found = scored(detections, rare, replicates=20, seed=0)
    assert np.isnan(found.replicates["Mass"]).all()
    assert not np.isnan(found.replicates[MEAN][:, IOU]).all()


def test_the_table_holds_every_measure_with_its_interval_and_the_lead_over_the_bar():
    cases, detections = made()
    one = scored(detections, cases, replicates=40, seed=0)
    bar = scored([Detection(None, None)] * len(cases), cases, replicates=40, seed=0)
    systems = {("model", "cam"): one, ("baseline", "none"): bar}
    table = entries(systems, {name: compare(its, bar) for name, its in systems.items()})
    cam = table[(table["method"] == "cam") & (table["finding"] == MEAN)].set_index("measure")
    assert list(cam.index) == [*MEASURES, "lead"]
    low, high = percentile_interval(one.replicates[MEAN][:, IOU])
    assert cam.loc["iou", ["low", "high"]].tolist() == [low, high]
    assert cam.loc["lead", "value"] == pytest.approx(one.mean_iou)
    assert (cam["low"] <= cam["high"]).all()
    none = table[(table["method"] == "none") & (table["finding"] == MEAN)].set_index("measure")
    assert none.loc["lead", ["value", "low", "high"]].tolist() == [0, 0, 0]
    assert np.isnan(none.loc["energy", "value"])


def test_a_lead_is_paired():
    """Two systems that always differ by the same have a lead without any width."""
    cases, _ = made()
    best = [Detection(c.truths[0], c.truths[0, :2]) for c in cases]
    half = [
        Detection(np.array([x1, y1, (x1 + x2) / 2, y2]), None)
        for x1, y1, x2, y2 in (c.truths[0] for c in cases)
    ]
    one, other = (scored(d, cases, replicates=30, seed=0) for d in (best, half))
    lead = compare(one, other)
    assert (lead.value, lead.low, lead.high) == pytest.approx((0.5, 0.5, 0.5))


def test_without_replicates_there_is_no_interval():
    cases, detections = made()
    one = scored(detections, cases, replicates=0, seed=0)
    table = entries({("model", "cam"): one}, {("model", "cam"): compare(one, one)})
    assert table[["low", "high"]].isna().all(axis=None)
