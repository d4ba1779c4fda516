"""DVC and git, asked: what they say comes back, and why they refuse."""

import shutil
import sys
from pathlib import Path

import pytest

from pipeline.commands import dvc, git
from pipeline.errors import ExperimentError


def test_what_a_command_prints_comes_back(tmp_path):
    git("init", "-q", "-b", "trunk", root=tmp_path)
    assert git("symbolic-ref", "HEAD", root=tmp_path) == "refs/heads/trunk\n"


def test_what_dvc_calls_is_of_this_environment_though_it_is_not_activated(tmp_path, monkeypatch):
    elsewhere = [shutil.which(name) for name in ("git", "sh")]
    monkeypatch.setenv("PATH", ":".join(str(Path(file).parent) for file in elsewhere if file))
    git("init", "-q", root=tmp_path)
    dvc("init", "-q", root=tmp_path)
    stage = "python -c 'import sys; print(sys.executable)' > which"
    dvc("stage", "add", "-q", "-n", "which", "-O", "which", stage, root=tmp_path)
    dvc("repro", "-q", root=tmp_path)
    said = Path((tmp_path / "which").read_text().strip())
    assert said.parent == Path(sys.executable).parent


def test_why_a_command_failed_is_in_its_own_words(tmp_path):
    git("init", "-q", root=tmp_path)
    with pytest.raises(ExperimentError, match=r"git rev-parse: fatal: .*nosuch"):
        git("rev-parse", "nosuch", root=tmp_path)
