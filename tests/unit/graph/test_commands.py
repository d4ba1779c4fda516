"""DVC and git, asked: what they say comes back, and why they refuse."""

import shutil
import sys
import threading
from pathlib import Path

import pytest
import zc.lockfile

from pipeline.errors import ExperimentError
from pipeline.graph import dvc_commands as commands
from pipeline.graph.dvc_commands import dvc, git


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


def test_dvc_waits_while_another_command_holds_its_lock_and_says_so(tmp_path, monkeypatch, caplog):
    git("init", "-q", root=tmp_path)
    dvc("init", "-q", root=tmp_path)
    dvc("stage", "add", "-q", "-n", "echo", "echo done", root=tmp_path)
    lock = zc.lockfile.LockFile(str(tmp_path / ".dvc/tmp/lock"))
    monkeypatch.setattr(commands, "_LONG_S", 1.0)
    threading.Timer(8.0, lock.close).start()  # DVC gives up after 3 s otherwise
    with caplog.at_level("INFO"):
        said = dvc("repro", root=tmp_path)
    assert "Running stage 'echo'" in said
    assert "waits for dvc repro" in caplog.text
