"""`cxr suspects` in a checkout, and on a file beside NIH's table without one."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_results import (
    made_boxes,
    made_heatmaps,
    made_images,
    made_index,
    made_predictions,
    made_splits,
    write_labels,
)
from page_parts import words_of
from typer.testing import CliRunner

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import write_boxes, write_index, write_predictions, write_splits
from pipeline.commands.checkout import MARKS
from pipeline.commands.cli import command_line
from pipeline.errors import PipelineError
from pipeline.results.statistics.metric_files import write_metrics
from pipeline.results.suspects.ranking import RANKED
from tests.unit.tiny_cohort import pixels, png

REPO = Path(__file__).parents[3]

INDEX = made_index()
SPLITS = made_splits(INDEX)
PREDICTIONS = made_predictions(INDEX, SPLITS, signal=5.0)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """What a run has left, as far as the command reads it."""
    root = tmp_path / "checkout"
    (root / "deep").mkdir(parents=True)
    for name in MARKS:
        (root / name).touch()
    shutil.copy(REPO / "tests/tiny.yaml", root / "params.yaml")
    cache = root / "data/cache"
    write_index(INDEX, cache / "index.parquet")
    write_splits(SPLITS, root / "data/splits.parquet")
    boxes = made_boxes(INDEX, SPLITS)
    write_boxes(boxes, cache / "boxes.parquet")
    made_images(INDEX, cache / "images")
    made_heatmaps(INDEX, boxes, root / "data/heatmaps/model")
    for system in ("ensemble", "model.fusion", "second.global"):
        write_predictions(PREDICTIONS, root / f"data/calibrated/{system}.parquet")
    monkeypatch.chdir(root / "deep")
    return root


def call(*words):
    return CliRunner().invoke(command_line("suspects"), ["suspects", *map(str, words)])


def test_a_table_and_a_page_are_written_and_the_first_are_printed(checkout):
    done = call("--top", "12")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "ensemble: 80 images (40 val, 40 test); calibrated on validation"
    assert re.fullmatch(
        r"1,120 labels, \d+ of them given; score: the estimated chance .*", lines[1]
    )
    assert lines[3].split()[:4] == ["rank", "score", "finding", "label"]
    assert [line.split()[0] for line in lines[4:14]] == [str(n) for n in range(1, 11)]
    folder = checkout / "report/suspects"
    table = pd.read_csv(folder / "suspects.csv")
    assert list(table.columns) == list(RANKED)
    assert len(table) == 12
    assert len(pd.read_parquet(folder / "ranking.parquet")) == 1_120
    page = (folder / "index.html").read_text()
    assert page.count("<figure") == 12
    assert page.count("data:image/jpeg;base64,") == 24
    assert "where model&#39;s cam is high" in page


def test_heatmaps_are_of_the_member_that_judges_or_of_the_best_on_validation(checkout):
    page = checkout / "report/suspects/index.html"
    shutil.copytree(checkout / "data/heatmaps/model", checkout / "data/heatmaps/second")
    systems = {"model.global": {"val_mean_auroc": 0.7}, "second.global": {"val_mean_auroc": 0.8}}
    write_metrics(systems, checkout / "metrics/systems.json")
    for what, member in (
        ("second.global", "second"),
        ("model.fusion", "model"),
        ("ensemble", "second"),
    ):
        assert call(what, "--top", "3").exit_code == 0
        assert f"where {member}&#39;s cam is high" in page.read_text()
    shutil.rmtree(checkout / "data/heatmaps/second")
    assert call("ensemble", "--top", "3").exit_code == 0
    assert "colour scale" not in page.read_text()


def test_what_was_not_pulled_is_not_shown(checkout):
    (checkout / "data/cache/images").rename(checkout / "data/cache/gone")
    done = call("--top", "3")
    assert done.exit_code == 0, done.output
    assert (checkout / "report/suspects/index.html").read_text().count("not at hand") == 3


def test_findings_and_sides_can_be_chosen_and_ranks_stay(checkout):
    call("--top", "1")
    whole = pd.read_parquet(checkout / "report/suspects/ranking.parquet")
    done = call("--finding", "mass", "--finding", "pleural thickening", "--label", "missing")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(checkout / "report/suspects/suspects.csv")
    here = whole["finding"].isin(["Mass", "Pleural_Thickening"]) & ~whole["labelled"]
    assert list(table["rank"]) == list(whole.loc[here, "rank"][:100])
    said = words_of((checkout / "report/suspects/index.html").read_text())
    assert "Shown: Mass, Pleural Thickening, labels that are not given, and no others." in said


def test_a_file_s_images_are_judged_by_this_run_s_splits_and_out_of_fold_as_told(checkout):
    probs = pd.DataFrame(
        np.random.default_rng(0).random((120, 14)) * 0.5 + 0.4 * INDEX[list(FINDINGS)],
        columns=list(FINDINGS),
    )
    probs.insert(0, "image_index", INDEX["image_index"])
    probs.to_csv(checkout / "deep/oof.csv", index=False)
    done = call("oof.csv")
    assert done.stdout.startswith(
        "oof.csv: 80 images (40 val, 40 test) (this run's splits); 40 training images are not "
        "judged\n"
    )
    done = call(checkout / "deep/oof.csv", "--out-of-fold", "--out", checkout / "mine")
    assert done.stdout.startswith("oof.csv: 120 images (40 train, 40 val, 40 test)")
    assert "train" in set(pd.read_parquet(checkout / "mine/ranking.parquet")["split"])


@pytest.mark.parametrize("score", ["odds", "margin", "confidence"])
def test_every_score_ranks(checkout, score):
    done = call("--score", score, "--top", "7")
    assert done.exit_code == 0, done.output
    page = (checkout / "report/suspects/index.html").read_text()
    assert page.count("<figure") == 7


def test_without_a_checkout_a_file_beside_the_labels_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_labels(INDEX, tmp_path / "labels.csv")
    frame = PREDICTIONS.rename(columns={name: f"prob_{name}" for name in FINDINGS})
    frame.to_csv(tmp_path / "p.csv", index=False)
    (tmp_path / "pictures").mkdir()
    name = "00000001_000.png"
    (tmp_path / "pictures" / name).write_bytes(png(pixels(1, 64, 64)))
    done = call("p.csv", "--labels", "labels.csv", "--images", "pictures", "--top", "2000")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "suspects/index.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 14
    assert page.count("radiograph not at hand") == 1_120 - 14


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.csv"], "none.csv: no such file"),
        (
            ["ensembel"],
            "ensembel: neither a file nor a system of this run; did you mean ensemble?",
        ),
        (["--finding", "Mas"], "--finding: unknown finding 'Mas'; did you mean Mass?"),
        (["--out-of-fold"], "validation and test images alone; --out-of-fold is of a file"),
        (["--columns", "p_*"], "validation and test images alone; --columns is of a file"),
        (["--images", "."], "--images is of --labels"),
        (["ensemble", "--labels", "labels.csv"], "ensemble: no such file; beside --labels"),
    ],
)
def test_what_is_wrong_is_named(checkout, words, message):
    done = call(*words)
    assert isinstance(done.exception, PipelineError), done.output
    assert message in str(done.exception)
    assert not (checkout / "report").exists()
