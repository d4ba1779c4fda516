"""`python -m stages.score` as a stranger would call it."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline.base.findings import FINDINGS
from tests.unit.made_results import made_index, made_predictions, made_splits

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """NIH's table of a synthetic cohort, and two files of predictions of its test images."""
    folder = tmp_path_factory.mktemp("score")
    index = made_index(patients=90)
    splits = made_splits(index)
    labels = [
        "|".join(f for f in FINDINGS if row[f]) or "No Finding" for _, row in index.iterrows()
    ]
    table = pd.DataFrame(
        {
            "Image Index": index["image_index"], "Finding Labels": labels,
            "Follow-up #": index["follow_up"], "Patient ID": index["patient_id"],
            "Patient Age": index["age_years"].astype(int), "Patient Gender": index["gender"],
            "View Position": index["view_position"], "OriginalImage[Width": 1024,
            "Height]": 1024, "OriginalImagePixelSpacing[x": 0.1, "y]": 0.1,
        }
    )  # fmt: skip
    table.to_csv(folder / "labels.csv", index=False)
    for name, signal in (("good", 2.0), ("weak", 0.3)):
        frame = made_predictions(index, splits, signal=signal, seed=int(signal))
        for split in ("val", "test"):
            rows = frame[frame["split"] == split].drop(columns="split")
            rows = rows.rename(columns={f: f"prob_{f}" for f in FINDINGS})
            rows.to_csv(folder / f"{name}_{split}.csv", index=False)
    return folder


def call(folder, *arguments):
    options = ["--labels", folder / "labels.csv", "--bootstrap", "50", *arguments]
    return subprocess.run(
        [sys.executable, "-m", "stages.score", *map(str, options)],
        cwd=REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_everything_is_told_and_written(folder, tmp_path):
    done = call(
        folder, folder / "good_test.csv", "--against", folder / "weak_test.csv",
        "--validation", folder / "good_val.csv", "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for part in (
        "good_test.csv: 60 of 60 rows, all for test (it has no column split)",
        "; columns prob_* of 14",
        "weak_test.csv: 60 of 60 rows", "good_val.csv: 60 of 60 rows, all for validation",
        "good_test.csv: 60 images of 30 patients", "mean of 14", "metadata_only",
        "good_test.csv - weak_test.csv", "after calibration", "threshold by youden", "subgroups",
        "not the official test list",
    ):  # fmt: skip
        assert part in done.stdout
    assert done.stdout.startswith("good_test.csv: 60 of 60 rows")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["read"] == done.stdout.splitlines()[:3]
    assert metrics["delta"]["good_test.csv - weak_test.csv"]["low"] > 0
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert set(scores["system"]) >= {"good_test.csv", "weak_test.csv", "metadata_only"}
    assert {"comparisons", "thresholds", "subgroups", "gaps", "calibrated", "roc_plot"} <= {
        file.stem for file in tmp_path.glob("*.csv")
    }


def test_without_validation_nothing_calibrated_is_written(folder, tmp_path):
    done = call(folder, folder / "good_test.csv", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "No validation images" in done.stdout
    assert not (tmp_path / "calibrated.csv").exists()
    assert "ece_calibrated" not in (tmp_path / "metrics.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "none.csv: no such file"),
        (["labels.csv"], "no column is named by a finding"),
        (["good_test.csv", "--against", "weak_val.csv"], "0 of them the same; first"),
        (["good_test.csv", "--columns", "p_*"], "no columns p_*; found prob_* (14)"),
        (["good_test.csv", "--bootstrap", "-1"], "Invalid value"),
    ],
)
def test_a_fault_is_said_in_a_line_without_a_traceback(folder, arguments, message):
    paths = [str(folder / one) if one.endswith("csv") else one for one in arguments]
    done = call(folder, *paths)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
