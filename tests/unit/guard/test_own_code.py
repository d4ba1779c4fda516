"""A stage runs the code of the folder that DVC runs it in, or none."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline.errors import StageError
from pipeline.guard.own_code import expect_own_code, is_own_code
from tests.stages.conftest import attempt

REPO = Path(__file__).parents[3]


def test_the_code_of_the_checkout_is_its_own_also_behind_a_link(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(REPO)
    assert is_own_code(REPO)
    assert is_own_code(link)
    assert is_own_code(tmp_path)  # that has none
    expect_own_code("split", REPO)


def test_the_code_of_another_place_is_refused_with_both_named(tmp_path):
    (tmp_path / "pipeline").mkdir()
    with pytest.raises(StageError, match=f"split: Python took the code in {REPO}, expected"):
        expect_own_code("split", tmp_path)


def test_a_stage_that_python_takes_from_elsewhere_writes_nothing(tmp_path):
    for name in ("pipeline", "stages"):
        shutil.copytree(REPO / name, tmp_path / name)
    shutil.copy(REPO / "dvc.yaml", tmp_path)
    shutil.copy(REPO / "tests/tiny.yaml", tmp_path / "params.yaml")
    command = ["python", "-m", "stages.phantom", "--out", "made"]
    elsewhere = {"PYTHONPATH": str(REPO), "PYTHONSAFEPATH": "1", "HOME": os.environ["HOME"]}
    done = attempt(*command, cwd=tmp_path, **elsewhere)
    assert done.returncode == 1
    assert done.stderr.startswith("error: phantom: Python took the code in")
    assert "unset it, run it again" in done.stderr
    assert not (tmp_path / "made").exists()
