"""Files of boxes judged: by hand, as the stage judges the same, and as text."""

import numpy as np
import pandas as pd
import pytest
from given_boxes import (
    DRAWN,
    FOUR,
    IOBB,
    IOU,
    POINTING,
    as_rows,
    cohort,
    drawn,
    write_cohort,
    write_list,
)
from made_results import (
    iou_params,
    made_boxes,
    made_crops,
    made_heatmaps,
    made_index,
    made_located,
    made_splits,
)

from pipeline.attention.crop import BoxRule
from pipeline.base.findings import FINDINGS
from pipeline.errors import PipelineError
from pipeline.results.given_boxes.box_judging import detect_in_files, judge_boxes
from pipeline.results.given_boxes.given_frames import frame_told
from pipeline.results.localisation.localisation import localise
from pipeline.results.terminal.boxcard import boxcard

RULE = BoxRule(0.5, "peak")
FRACTIONS = frame_told("fractions", "--size")
CORNERS = ["x1", "y1", "x2", "y2"]


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    folder = tmp_path_factory.mktemp("by_hand")
    write_cohort(folder)
    write_list(DRAWN, folder / "mine.csv")
    half = drawn()
    half[FOUR] /= 2
    half.to_csv(folder / "half.csv", index=False)
    return folder


def judged(folder, *names, size="1024", replicates=0):
    cases, images = cohort(folder)
    paths = [folder / name for name in names]
    files = detect_in_files(paths, cases, images, frame_told(size, "--size"), RULE)
    return judge_boxes(files, cases, RULE, replicates=replicates, seed=0)


def test_iou_and_its_kin_are_those_worked_out_by_hand(by_hand):
    found = judged(by_hand, "mine.csv").metrics["systems"]["mine.csv"]["boxes"]
    for measure, expected in (("iou", IOU), ("iobb", IOBB), ("pointing", POINTING)):
        assert {name: found[name][measure] for name in expected} == pytest.approx(expected)
        assert found["mean"][measure] == pytest.approx(sum(expected.values()) / 3)
    assert found["Mass"]["n"] == 2
    assert found["Mass"]["t_iou"]["0.5"] == 0  # more than a half is asked
    assert found["Mass"]["t_iou"]["0.4"] == 1
    assert found["Infiltration"]["t_iou"] == {
        **dict.fromkeys(["0.1", "0.2", "0.3"], 1), **dict.fromkeys(["0.4", "0.5", "0.6", "0.7"], 0)
    }  # fmt: skip
    assert found["Nodule"]["empty_rate"] == 1
    assert found["mean"]["empty_rate"] == pytest.approx(1 / 3)


def test_another_frame_gives_the_same_figures(by_hand):
    tables = [
        judged(by_hand, "mine.csv").localisation,
        judged(by_hand, "half.csv", size="512").localisation,
    ]
    renamed = tables[1].replace("half.csv", "mine.csv")
    pd.testing.assert_frame_equal(tables[0], renamed, check_exact=True)


def test_t_iobb_is_in_the_table(by_hand):
    table = judged(by_hand, "mine.csv").localisation
    rows = table[table["member"].eq("mine.csv") & table["finding"].eq("Infiltration")]
    values = rows.set_index("measure")["value"]
    assert [values[f"t_iobb.{one}"] for one in (0.1, 0.25, 0.5, 0.75, 0.9)] == [1, 1, 0, 0, 0]


def test_files_of_one_name_are_told_apart_by_their_paths(by_hand, tmp_path):
    write_list(DRAWN[:1], tmp_path / "mine.csv")
    cases, images = cohort(by_hand)
    paths = [by_hand / "mine.csv", tmp_path / "mine.csv"]
    files = detect_in_files(paths, cases, images, frame_told("1024", "--size"), RULE)
    assert list(files) == ["mine.csv", str(tmp_path / "mine.csv")]


def test_a_file_that_is_given_twice_is_refused(by_hand):
    (by_hand / "other").mkdir()
    with pytest.raises(PipelineError, match=r"mine\.csv: given twice"):
        judged(by_hand, "mine.csv", "other/../mine.csv")


def test_a_file_called_baseline_is_no_baseline(by_hand):
    (by_hand / "baseline").write_bytes((by_hand / "mine.csv").read_bytes())
    table = judged(by_hand, "baseline").localisation
    assert set(table["member"]) == {str(by_hand / "baseline"), "baseline"}
    assert set(table.loc[table["member"].eq("baseline"), "method"]) == {
        "centre_box", "constant_box", "per_finding_box",
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's true boxes, crops and heatmaps, and the stage's table; labels and list as NIH's."""
    folder = tmp_path_factory.mktemp("run")
    index = made_index(24, 2)
    boxes = made_boxes(index, made_splits(index))
    rng = np.random.default_rng(1)
    corners = np.sort(rng.random((len(index), 2, 2)), axis=1).reshape(-1, 4)
    crops = made_crops(index).assign(source="cam", **dict(zip(CORNERS, corners.T, strict=True)))
    crops.loc[::5, CORNERS] = [0.0, 0.0, 1.0, 1.0]
    heatmaps = {"cam": made_heatmaps(index, boxes, folder / "model")["cam"]}
    located = made_located(index, heatmaps)._replace(crops=crops)
    params = iou_params(bootstrap=30)
    table = localise({"model": located}, boxes, index, params, seed=3)
    write_cohort(folder, index=index, true=as_rows(boxes))
    return folder, boxes, crops, heatmaps, table


def as_stage(folder, name, frame=FRACTIONS):
    cases, images = cohort(folder)
    files = detect_in_files([folder / name], cases, images, frame, RULE)
    return judge_boxes(files, cases, RULE, replicates=30, seed=3).localisation


def rows(table, member, method):
    found = table[table["member"].eq(member) & table["method"].eq(method)]
    return found.drop(columns=["member", "method"]).reset_index(drop=True)


def test_a_runs_crops_in_a_file_get_the_stages_own_figures(run):
    folder, boxes, crops, _, table = run
    mine = boxes[["image_index", "finding"]].merge(crops.drop(columns=["source", "finding"]))
    mine.to_csv(folder / "crops.csv", index=False)
    found = as_stage(folder, "crops.csv")
    expected = rows(table, "model", "crop")
    assert expected["low"].notna().sum() > 50
    pd.testing.assert_frame_equal(rows(found, "crops.csv", "boxes"), expected, check_exact=True)
    for name in ("centre_box", "constant_box", "per_finding_box"):
        pd.testing.assert_frame_equal(
            rows(found, "baseline", name), rows(table, "baseline", name), check_exact=True
        )


@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_a_runs_heatmaps_in_files_get_the_stages_own_figures(run, kind):
    folder, boxes, _, heatmaps, table = run
    (folder / kind).mkdir()
    images = list(cohort(folder)[1]["image_index"])
    for name in boxes["image_index"].unique():
        stack = heatmaps["cam"].shards[images.index(name)]
        maps = dict(zip(FINDINGS, stack, strict=True))
        stem = name.removesuffix(".png")
        if kind == "npz":
            np.savez(folder / kind / f"{stem}.npz", **maps)
        else:
            for finding, one in maps.items():
                np.save(folder / kind / f"{stem}_{finding}.npy", one)
    found = as_stage(folder, kind)
    pd.testing.assert_frame_equal(
        rows(found, kind, "heatmaps"), rows(table, "model", "cam"), check_exact=True
    )
    pd.testing.assert_frame_equal(
        rows(found, "baseline", "random_map"), rows(table, "baseline", "random_map"),
        check_exact=True,
    )  # fmt: skip


def test_a_difference_is_paired_and_of_the_first_file_with_each_other(by_hand):
    write_list(DRAWN[:1], by_hand / "less.csv")
    write_list(DRAWN, by_hand / "same.csv")
    found = judged(by_hand, "mine.csv", "less.csv", "same.csv", replicates=40)
    assert list(found.comparisons["against"]) == ["less.csv", "same.csv"]
    delta = found.metrics["delta"]
    # of the two masses one is missed, and the infiltration
    assert delta["mine.csv - less.csv"]["value"] == pytest.approx((1 / 4 + 1 / 3) / 3)
    assert delta["mine.csv - same.csv"] == {"value": 0, "low": 0, "high": 0}
    assert set(found.frames) == {"localisation", "comparisons"}


def test_alone_a_file_has_no_differences(by_hand):
    found = judged(by_hand, "mine.csv")
    assert list(found.metrics) == ["systems"]
    assert list(found.frames) == ["localisation"]


def test_the_card_has_every_finding_the_mean_and_the_boxes_without_an_image(by_hand):
    found = judged(by_hand, "mine.csv", "less.csv", replicates=40)
    lines = boxcard(found.localisation, found.metrics, "mine.csv").splitlines()
    begins = [line.split("  ")[0] for line in lines[1:6]]
    assert begins == ["", "Infiltration", "Mass", "Nodule", "mean of 3"]
    mass = lines[3].split()
    assert mass[:3] == ["Mass", "2", "0.500"]
    assert mass[4:] == [
        "1.000",
        "1.000",
        "0.000",
        "0.000",
        "1.000",
        "1.000",
        "1.000",
        "1.000",
        "0.000",
    ]
    text = "\n".join(lines)
    for name in ("baseline.centre_box", "baseline.per_finding_box", "mine.csv", "less.csv"):
        assert f"\n  {name} " in text
    assert "mine.csv - less.csv, mean IoU, paired: +0.194 (" in text
    assert "random_map" not in text
