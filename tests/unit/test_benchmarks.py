"""The benchmarks run, and where there is neither DVC nor MLflow."""

import json
import subprocess
import sys
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest
import typer
from made_model import radiographs, write_model
from PIL import Image
from tiny_cohort import name, pixels, png
from typer.testing import CliRunner

import benchmarks.__main__ as command
from benchmarks import attention, measure, predicting, reading
from benchmarks.evaluation import measure_evaluation
from benchmarks.machine import describe_machine
from benchmarks.reading import bare, ingest, measure_reading
from benchmarks.setup import Amount
from benchmarks.sharing import Sharing, measure_sharing, sharing_table
from benchmarks.table import (
    attention_table,
    evaluation_table,
    predicting_table,
    reading_table,
    training_table,
)
from pipeline.base.shards import Shards
from pipeline.errors import ArtifactError

REPO = Path(__file__).parents[2]
SMALL = Amount(batch=2, steps=2, rounds=1)


def test_they_import_neither_dvc_nor_mlflow():
    script = "import sys, benchmarks.__main__, benchmarks.peak; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert {"torch", "benchmarks", "pipeline"} <= loaded
    assert not loaded & {"dvc", "mlflow"}


@pytest.mark.slow
def test_every_figure_is_measured_and_told(monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(measure, "amount", lambda: SMALL)
    monkeypatch.setattr(measure, "peak_megabytes", lambda what, backbone: 1.0)
    monkeypatch.setattr(
        measure,
        "write_files",
        lambda folder: [Image.new("L", (64, 64)).save(folder / f"{n}.png") for n in range(4)],
    )
    figures = measure.measure_training(["mobilenet_v2"], lambda words: None)
    one = figures["networks"]["mobilenet_v2"]
    for comparison, rounds in (("against bare", SMALL.rounds), ("against conventional", 3)):
        assert len(one[comparison]["ratios"]) == rounds
        assert one[comparison]["ratio"] > 0
    text = training_table(figures)
    assert "`mobilenet_v2`" in text
    assert "first batch (4,096 images" in text


@pytest.mark.slow
def test_heatmaps_and_crops_are_measured_and_told(monkeypatch):
    monkeypatch.setattr(attention, "peak_megabytes", lambda images: 1.0)
    monkeypatch.setattr(attention, "amount", lambda: SMALL)
    figures = attention.measure_attention(["mobilenet_v2"], lambda words: None)
    one = figures["heatmaps"]["mobilenet_v2"]
    assert one["against forward"]["ratio"] > 0
    assert one["package seconds"] * one["against forward"]["heatmaps"] > 10
    text = attention_table(figures)
    assert "`mobilenet_v2`" in text
    assert "peak memory, 8,192 images" in text


def test_a_part_is_printed_and_kept_though_the_next_fails(monkeypatch, tmp_path):
    def fail(names):
        raise RuntimeError(f"measures {names}")

    parts = {
        "training": (
            lambda wanted: {"of": wanted.backbones},
            lambda figures: f"told of {figures['of']}",
        ),
        "attention": (lambda wanted: fail(wanted.backbones), str),
    }
    monkeypatch.setattr(command, "PARTS", parts)
    app = typer.Typer()
    app.command()(command.main)
    out = tmp_path / "bench.json"
    done = CliRunner().invoke(
        app, ["--parts", "training,attention", "--backbones", "a,b", "--out", str(out)]
    )
    assert str(done.exception) == "measures ['a', 'b']"
    assert done.stdout.startswith("## 20")
    assert "told of ['a', 'b']" in done.stdout
    kept = json.loads(out.read_text())
    assert kept["of"] == ["a", "b"]
    assert kept["machine"] == describe_machine() | {"load before": ANY}


def test_a_part_that_there_is_not_is_refused():
    app = typer.Typer()
    app.command()(command.main)
    done = CliRunner().invoke(app, ["--parts", "training,sleep"])
    assert done.exit_code == 2
    assert "sleep: say training, attention, evaluation, reading" in done.output


def test_the_patient_bootstrap_is_measured_and_told():
    figures = measure_evaluation(images=1000, replicates=5, rounds=1)
    one = figures["evaluation"]
    assert one["seconds"] > 0
    assert one["ratio"] > 0
    assert one["peak MB"] > 20
    assert "14 findings, 1,000 images, 5 replicates" in evaluation_table(figures)


def test_reading_is_measured_and_told_and_all_ways_read_the_same_picture(monkeypatch, tmp_path):
    def write(folder):
        for number in range(3):
            (folder / name(number)).write_bytes(png(pixels(number, 300, 300)))

    monkeypatch.setattr(reading, "write_files", write)
    monkeypatch.chdir(REPO)
    figures = measure_reading(None, rounds=1)
    assert figures["reading"]["images"] == 3
    assert figures["reading"]["rates"].keys() >= {"ingest", "bare", "PIL"}
    assert "| 3 made radiographs |" in reading_table(figures)
    folder = tmp_path / "cohort"
    folder.mkdir()
    (path, *_) = reading.make_cohort(None, folder)
    stored = Shards(ingest(folder) / "images")[0]
    assert np.array_equal(stored, bare(path))
    assert np.abs(stored.astype(int) - reading.pil(path).numpy()[0]).mean() < 8


def test_predicting_is_measured_and_told(monkeypatch, tmp_path):
    def write(folder):
        for number, radiograph in enumerate(radiographs()[:2]):
            (folder / f"{number}.png").write_bytes(radiograph)

    monkeypatch.setattr(predicting, "write_files", write)
    figures = predicting.measure_predicting(write_model(tmp_path / "model"), images=3, rounds=1)
    assert figures["predicting"]["ratios"][0] > 0
    assert "| mobilenet_v2 + mobilenet_v3; mobilenet_v2 + mobilenet_v3 | 3 |" in predicting_table(
        figures
    )
    with pytest.raises(ArtifactError, match="no packaged model"):
        predicting.measure_predicting(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("s3", [False, True])
def test_sharing_is_measured_and_told_and_leaves_nothing(tmp_path, s3):
    one = Sharing(images=20, shards=False, s3=s3)
    figures = measure_sharing(one, tmp_path)
    assert figures["files"] == 20
    assert figures["MB"] == pytest.approx(20 * (224**2 + 128) / 1e6)
    assert all(seconds > 0 for seconds in figures["seconds"].values())
    assert f"| {one.name} | 20 | 20 |" in sharing_table({one.name: figures})
    assert list(tmp_path.iterdir()) == []
