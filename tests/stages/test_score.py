"""`cxr score` as a stranger would call it: from anywhere."""

import json

import pandas as pd
import pytest

from tests.stages.conftest import CXR, REPO, attempt
from tests.stages.scored import make_scored


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_scored(tmp_path_factory.mktemp("score"))


def call(folder, *arguments):
    options = ["--labels", folder / "labels.csv", "--bootstrap", "50", *arguments]
    return attempt(*CXR, "score", *map(str, options), cwd=folder, PYTHONPATH=str(REPO))


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
