"""Heatmaps and crops against boxes on a cohort whose heatmaps are right, or empty."""

import json

import numpy as np
import pandas as pd
import pytest
from made_results import (
    iou_params,
    made_boxes,
    made_crops,
    made_heatmaps,
    made_index,
    made_located,
    made_splits,
)

from pipeline.attention.boxed_maps import (
    BoxedMaps,
    Mapped,
    read_boxed_maps,
    write_boxed_maps,
)
from pipeline.attention.heatmaps import Maps
from pipeline.base.findings import BOXED_FINDINGS, FINDINGS
from pipeline.base.grid import tiles
from pipeline.base.shards import Shards, write_shards
from pipeline.errors import ArtifactError
from pipeline.results.localisation.box_baselines import BOX_BASELINES
from pipeline.results.localisation.boxed_findings import boxed_cases
from pipeline.results.localisation.detections import finding_map
from pipeline.results.localisation.localisation import iou_metrics, iou_points, localise
from pipeline.results.localisation.methods import CEILING, NOISE


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    index = made_index()
    boxes = made_boxes(index, made_splits(index))
    heatmaps = made_heatmaps(index, boxes, tmp_path_factory.mktemp("maps") / "model")
    return index, boxes, heatmaps


def metrics_of(index, boxes, located, **params):
    return iou_metrics(localise({"model": located}, boxes, index, iou_params(**params), seed=0))


@pytest.fixture(scope="module")
def table(cohort):
    index, boxes, heatmaps = cohort
    return metrics_of(index, boxes, made_located(index, heatmaps))


def test_every_member_method_and_baseline_has_every_boxed_finding(table):
    assert {member: set(methods) for member, methods in table.items()} == {
        "model": {"attention", "cam", "crop", "grid_ceiling"},
        "baseline": {"centre_box", "constant_box", "per_finding_box", "random_map"},
    }
    for methods in table.values():
        assert all(list(one) == [*BOXED_FINDINGS, "mean"] for one in methods.values())
    json.dumps(table, allow_nan=False)


def test_a_heatmap_that_is_hot_in_the_box_alone_finds_it(table):
    mean = table["model"]["cam"]["mean"]
    assert mean["iou"] > 0.8
    assert mean["t_iou"]["0.7"] == 1
    assert (mean["pointing"], mean["empty_rate"]) == (1, 0)


def test_an_empty_heatmap_scores_nought_and_is_counted(table, cohort):
    mean = table["model"]["attention"]["mean"]
    assert (mean["iou"], mean["pointing"], mean["empty_rate"]) == (0, 0, 1)
    assert mean["n"] == len(cohort[1])


def test_a_fallback_crop_is_scored_as_it_is_and_counted_as_empty(table, cohort):
    mean = table["model"]["crop"]["mean"]
    assert mean["iou"] == pytest.approx(0.25 * 0.25)  # the whole image
    assert mean["empty_rate"] == 1


def test_a_crop_drawn_by_a_heatmap_is_not_empty(cohort):
    index, boxes, heatmaps = cohort
    boxes = boxes.iloc[::4]
    crops = made_crops(index).assign(source="cam", x2=0.5)
    table = metrics_of(index, boxes, made_located(index, heatmaps)._replace(crops=crops))
    assert table["model"]["crop"]["mean"]["empty_rate"] == 0


def test_of_several_crops_the_first_is_scored(cohort):
    index, boxes, heatmaps = cohort
    one = made_crops(index).assign(source="cam", x2=0.5)
    several = pd.concat([one, one.assign(x1=0.5, x2=1.0)]).sort_values(
        "image_index", kind="stable"
    )
    found = [
        metrics_of(index, boxes, made_located(index, heatmaps)._replace(crops=crops))
        for crops in (one, several)
    ]
    assert found[0]["model"]["crop"] == found[1]["model"]["crop"]


def test_the_mean_is_over_findings_not_over_cases(table):
    for methods in table.values():
        for one in methods.values():
            ious = [one[finding]["iou"] for finding in BOXED_FINDINGS]
            assert one["mean"]["iou"] == pytest.approx(np.mean(ious))


def test_a_constant_place_per_finding_is_found_without_looking(table):
    # all boxes of a finding are in one place here
    assert table["baseline"]["per_finding_box"]["mean"]["iou"] > 0.9


def test_a_map_per_finding_is_read_by_the_findings_name(tmp_path):
    rows = [{"cam": np.arange(14, dtype=np.float16).reshape(14, 1, 1)}]
    write_shards(rows, tmp_path / "m")
    maps = Maps(Shards(tmp_path / "m", "cam"), tiles(1))
    assert [finding_map(maps, 0, finding)[0, 0] for finding in FINDINGS] == list(range(14))


def test_two_boxes_of_a_finding_on_an_image_are_one_case():
    index = pd.DataFrame({"image_index": ["a.png", "b.png"], "patient_id": [5, 6]})
    boxes = pd.DataFrame(
        [("b.png", "Mass", 0, 0, 0.1, 0.1), ("b.png", "Mass", 0.5, 0.5, 1, 1)],
        columns=["image_index", "finding", "x1", "y1", "x2", "y2"],
    )
    (case,) = boxed_cases(boxes, index)
    assert (case.row, case.patient_id, case.truths.shape) == (1, 6, (2, 4))


def test_boxes_on_other_images_are_counted_in_the_log(caplog):
    index = pd.DataFrame({"image_index": ["a.png"], "patient_id": [5]})
    boxes = pd.DataFrame(
        [("b.png", "Mass", 0, 0, 0.1, 0.1)],
        columns=["image_index", "finding", "x1", "y1", "x2", "y2"],
    )
    assert boxed_cases(boxes, index) == []
    assert "1 of 1 boxes" in caplog.text


def test_a_cohort_without_boxes_gives_an_empty_table_and_says_so(cohort, caplog):
    index, boxes, heatmaps = cohort
    none = boxes.iloc[:0]
    table = localise({"model": made_located(index, heatmaps)}, none, index, iou_params(), seed=0)
    assert table.empty
    assert iou_metrics(table) == {}
    assert "no radiologist's box" in caplog.text
    assert list(iou_points(table)) == ["finding", "member", "method", "iou", "low", "high"]
    assert iou_points(table).empty


def test_the_plot_has_the_ious_of_what_localises_with_their_intervals(cohort):
    index, boxes, heatmaps = cohort
    located = {"model": made_located(index, heatmaps)}
    scored = localise(located, boxes, index, iou_params(bootstrap=20), seed=0)
    points = iou_points(scored)
    assert set(points["method"]) == {"attention", "cam", "crop", *BOX_BASELINES, NOISE}
    ious = scored[scored["measure"].eq("iou") & scored["method"].ne(CEILING)]
    values, names = ["value", "low", "high"], ["iou", "low", "high"]
    assert np.array_equal(points[names].to_numpy(), ious[values].to_numpy())
    assert points[names].notna().all(axis=None)


def test_heatmaps_of_another_cohort_are_refused(cohort):
    index, boxes, heatmaps = cohort
    shorter = index.iloc[:-1]
    with pytest.raises(
        ArtifactError, match=r"model's attention heatmaps: 120 rows for the 119 images"
    ):
        metrics_of(shorter, boxes, made_located(index, heatmaps))


def test_crops_of_another_cohort_are_refused(cohort):
    index, boxes, heatmaps = cohort
    crops = made_crops(index).iloc[1:]
    with pytest.raises(ArtifactError, match="lack 1 of 120 images; first: 00000000_000"):
        metrics_of(index, boxes, made_located(index, heatmaps)._replace(crops=crops))


def test_a_closer_look_at_other_images_is_refused(cohort):
    index, boxes, heatmaps = cohort
    located = made_located(index, heatmaps)
    rows = {
        name: 0 for name in list(located.boxed_maps.rows)[:-1] if name != boxes["image_index"][0]
    }
    with pytest.raises(
        ArtifactError, match=r"model's closer look lacks [12] of .* map_boxed again"
    ):
        metrics_of(index, boxes, located._replace(boxed_maps=BoxedMaps({}, rows)))


def test_a_closer_look_and_fitted_thresholds_are_rows_beside_the_methods(cohort, tmp_path):
    index, boxes, heatmaps = cohort
    boxes = boxes.iloc[::2]  # every map is read at nineteen thresholds
    names = list(index.loc[index["image_index"].isin(boxes["image_index"]), "image_index"])
    cam = heatmaps["cam"]
    places = np.flatnonzero(index["image_index"].isin(names)).tolist()
    again = {
        kind: Mapped(({"cam": cam.shards[place]} for place in places), cam.grid)
        for kind in ("fine", "random", "fine_random")
    }
    write_boxed_maps(again, tmp_path / "c", names=names)
    located = made_located(index, heatmaps)._replace(boxed_maps=read_boxed_maps(tmp_path / "c"))
    table = metrics_of(index, boxes, located, fit_threshold=True, bootstrap=20)
    assert set(table["model"]) == {
        "attention", "attention_fitted", "cam", "cam_fitted", "cam_randomised", "crop",
        "cam_randomised_fitted", "cam_fine", "cam_fine_fitted", "cam_fine_randomised",
        "cam_fine_randomised_fitted", "grid_ceiling", "grid_ceiling_fine",
    }  # fmt: skip
    # the closer look is the heatmaps themselves here, found by the image's name
    for method in ("cam_fine", "cam_randomised", "cam_fine_randomised"):
        assert table["model"][method]["mean"]["iou"] == table["model"]["cam"]["mean"]["iou"]
    assert "random_map" in table["baseline"]
    mean = table["model"]["cam"]["mean"]
    assert mean["iou_low"] <= mean["iou"] <= mean["iou_high"]
    best = max(one["mean"]["iou"] for one in table["baseline"].values())
    assert mean["lead"] == pytest.approx(mean["iou"] - best)
    assert mean["lead_low"] <= mean["lead"] <= mean["lead_high"]
