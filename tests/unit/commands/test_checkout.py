"""A command works on the checkout around the folder that it is called in, with that one's code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands.checkout import MARKS, checkout_around
from pipeline.commands.cli import ANYWHERE, COMMANDS, app

REPO = Path(__file__).parents[3]


def marked(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in MARKS:
        (folder / name).touch()
    return folder


def say(monkeypatch, *words):
    """Call `cxr` in this process; what it ends with."""
    monkeypatch.setattr(sys, "argv", ["cxr", *words])
    with pytest.raises(SystemExit) as ended:
        app()
    return ended.value.code


@pytest.mark.parametrize("below", ["", "a", "a/b/c"])
def test_the_checkout_is_the_nearest_folder_upwards_with_graph_and_params(tmp_path, below):
    outer = marked(tmp_path / "outer")
    inner = marked(outer / ".dvc/tmp/exps/copy")
    for root in (outer, inner):
        (root / below).mkdir(parents=True, exist_ok=True)
        assert checkout_around(root / below) == root
    for name in MARKS:  # half of one is none
        (inner / name).unlink()
        assert checkout_around(inner / below) == outer
        (inner / name).touch()
    assert checkout_around(tmp_path) is None


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ANYWHERE])
def test_every_command_that_needs_a_checkout_refuses_where_there_is_no_checkout(
    tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    words = [name, "nih"] if name == "recipe" else [name]
    assert say(monkeypatch, *words) == (
        f"error: {tmp_path}: no checkout of this project, expected dvc.yaml and params.yaml here "
        "or in a folder above; go to your clone (cd) and call this again"
    )
    assert not list(tmp_path.iterdir())


def test_a_command_says_the_same_from_every_folder_of_the_checkout(monkeypatch, capsys):
    said = set()
    for folder in (REPO, REPO / "pipeline/results/terminal"):
        monkeypatch.chdir(folder)
        assert say(monkeypatch, "tables") == 0
        said.add(capsys.readouterr().out)
    assert len(said) == 1
    assert said.pop().count("|") > 10


def test_a_given_path_is_from_the_folder_in_which_it_was_typed(tmp_path, monkeypatch):
    root = marked(tmp_path / "checkout")
    (root / "deep").mkdir()
    monkeypatch.chdir(root / "deep")
    said = say(monkeypatch, "search", "--spec", "mine.yaml")
    assert said.startswith(f"error: {root}/deep/mine.yaml: ")
    monkeypatch.chdir(root / "deep")
    assert say(monkeypatch, "search").startswith("error: search.yaml: ")


def test_a_command_runs_the_code_of_its_checkout_and_not_that_it_was_installed_from(tmp_path):
    second = marked(tmp_path / "second")
    shutil.copytree(REPO / "pipeline", second / "pipeline")
    (second / "pipeline/commands/tables.py").write_text(
        "import os\n\ndef main(of: str) -> None:\n    print('of the second', of, os.getcwd())\n"
    )
    (second / "deep").mkdir()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pipeline.commands.cli", "tables", "a word"],
        cwd=second / "deep", env=os.environ | {"PYTHONPATH": str(REPO)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == f"of the second a word {second}/deep\n", done.stderr
