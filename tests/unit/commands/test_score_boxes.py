"""`cxr score-boxes` as a stranger calls it: two files, what is printed, and what is written."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from given_boxes import A, D, drawn, write_cohort, write_list
from typer.testing import CliRunner

from pipeline.commands.cli import command_line
from pipeline.errors import PipelineError
from pipeline.params.whole import load_params

REPO = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("score_boxes")
    write_cohort(folder)
    drawn().to_csv(folder / "mine.csv", index=False)
    drawn().assign(w=300).to_csv(folder / "other.csv", index=False)
    (folder / "maps").mkdir()
    np.save(folder / "maps" / f"{A.removesuffix('.png')}_Mass.npy", np.eye(8))
    np.save(folder / "maps" / f"{D.removesuffix('.png')}_Nodule.npy", np.eye(8)[:, :4])
    return folder


def call(folder, *words):
    fixed = ["--boxes", folder / "true.csv", "--labels", folder / "labels.csv"]
    words = ["score-boxes", "--bootstrap", "30", *words, *fixed]
    return CliRunner().invoke(command_line("score-boxes"), list(map(str, words)))


def test_what_was_read_comes_first_and_then_the_tables(folder):
    done = call(folder, folder / "mine.csv")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[:6] == [
        "true.csv: 5 boxes, in pixels of 1024 x 1024; 4 cases on 4 images of 3 patients",
        "mine.csv: 3 boxes, in pixels of 1024 x 1024; x, y, w, h by 'x', 'y', 'w', 'h'; images "
        "by 'image', findings by 'finding'",
        "  3 of its boxes are of cases, 0 are not judged",
        "  1 of 4 cases have no box and count as misses: Nodule 1",
        "",
        "mine.csv against the radiologists' boxes",
    ]
    assert "per_finding_box" in done.stdout


def test_others_and_heatmaps_stand_beside_it_and_all_is_written(folder, tmp_path):
    done = call(
        folder, folder / "mine.csv", "--against", folder / "other.csv",
        "--against", folder / "maps", "--threshold", "otsu", "--region", "largest",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "mine.csv - maps, mean IoU, paired: " in done.stdout
    assert "\n  baseline.random_map " in done.stdout
    assert "\nrandom_map: maps of random numbers" in done.stdout
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["read"] == done.stdout.split("\n\n")[0].splitlines()
    assert set(metrics["systems"]) == {"mine.csv", "other.csv", "maps", "baseline"}
    assert metrics["systems"]["mine.csv"]["boxes"]["Mass"]["iou"] == 0.5
    assert metrics["systems"]["maps"]["heatmaps"]["mean"]["n"] == 4
    table = pd.read_csv(tmp_path / "out/localisation.csv")
    assert {"t_iobb.0.5", "lead", "energy"} <= set(table["measure"])
    assert len(pd.read_csv(tmp_path / "out/comparisons.csv")) == 2


def test_heatmaps_in_one_file_are_those_of_a_folder(folder, tmp_path):
    whole = {path.stem: np.load(path) for path in (folder / "maps").iterdir()}
    np.savez(tmp_path / "maps.npz", **whole)
    tables = []
    for where in (folder / "maps", tmp_path / "maps.npz"):
        done = call(folder, where, "--threshold", "0.5", "--out", tmp_path / "out")
        assert done.exit_code == 0, done.output
        table = pd.read_csv(tmp_path / "out/localisation.csv")
        tables.append(table.replace(where.name, "maps"))
    pd.testing.assert_frame_equal(*tables)


def test_what_cuts_heatmaps_unless_told_is_what_a_recipe_cuts_them_by(folder, tmp_path):
    stage = load_params(REPO / "tests/golden/recipes/nih-sample.yaml").iou
    told = ["--threshold", stage.threshold, "--region", stage.region]
    tables = []
    for options in ([], told):
        call(folder, folder / "maps", *options, "--out", tmp_path)
        tables.append((tmp_path / "localisation.csv").read_bytes())
    assert tables[0] == tables[1]


def test_each_file_is_in_its_own_frame_where_that_is_told(folder, tmp_path):
    rows = [(A, "Mass", 25, 25, 50, 25), (D, "Nodule", 12, 12, 80, 80)]
    write_list(rows, folder / "mine_100.csv")
    outs = []
    for options in (["--size", "100"], ["--size", "100", "--boxes-size", "1024"]):
        done = call(folder, folder / "mine_100.csv", *options, "--out", tmp_path)
        assert "mine_100.csv: 2 boxes, in pixels of 100 x 100" in done.stdout
        outs.append(json.loads((tmp_path / "metrics.json").read_text()))
    assert outs[0] == outs[1]
    assert outs[0]["systems"]["mine_100.csv"]["boxes"]["Mass"]["iou"] == 0.25


def test_without_replicates_there_are_figures_and_no_intervals(folder, tmp_path):
    done = call(folder, folder / "mine.csv", "--bootstrap", "0", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    mean = json.loads((tmp_path / "metrics.json").read_text())["systems"]["mine.csv"]["boxes"]
    assert "iou_low" not in mean["mean"]
    assert mean["mean"]["lead"] == pytest.approx(mean["mean"]["iou"] - best(tmp_path), abs=1e-5)


def best(folder):
    baselines = json.loads((folder / "metrics.json").read_text())["systems"]["baseline"]
    return max(findings["mean"]["iou"] for findings in baselines.values())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.csv"], "none.csv: no such file"),
        (["mine.csv", "--size", "12px"], "--size 12px: expected the side in pixels"),
        (["mine.csv", "--boxes-size", "0"], "--boxes-size 0: expected the side in pixels"),
        (["mine.csv", "--size", "512"], "reach beyond pixels of 512 x 512; first: row 2"),
        (["mine.csv", "--threshold", "0.5"], "none of the paths is a folder of heatmaps"),
        (["maps", "--size", "512"], "--size 512 is of files of boxes"),
        (["maps", "--threshold", "1"], "--threshold 1: expected a number in [0, 1), or otsu"),
        (["maps", "--threshold", "low"], "--threshold low: expected a number in [0, 1), or otsu"),
        (["mine.csv", "--against", "mine.csv"], "mine.csv: given twice"),
    ],
)
def test_what_is_wrong_is_named(folder, words, message):
    done = call(folder, *(folder / one if (folder / one).exists() else one for one in words))
    assert isinstance(done.exception, PipelineError)
    assert message in str(done.exception)
