"""`cxr summary`: a screenful, the whole table, and what git says of the results."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from made_metrics import made_methods, made_metrics

from pipeline.commands.checkout import MARKS
from pipeline.commands.summary import RESULTS, main
from pipeline.results.terminal.last_screen import last_screen
from pipeline.results.terminal.summary import summarise

REPO = Path(__file__).parents[3]


def git(root, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with the results of a run, in which a command is called."""
    root = tmp_path / "checkout"
    for folder in ("metrics", "plots", "deep"):
        (root / folder).mkdir(parents=True)
    for name in (*MARKS, "dvc.lock", "plots/roc.csv"):
        (root / name).touch()
    write(root, "systems", made_metrics())
    write(root, "methods", made_methods())
    monkeypatch.chdir(root / "deep")
    return root


def write(root, name, content):
    (root / f"metrics/{name}.json").write_text(json.dumps(content))


@pytest.fixture
def committed(checkout):
    git(checkout, "init", "--quiet")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message=a")
    return checkout


def printed(capsys, *, everything=False):
    main(everything)
    return capsys.readouterr().out.removesuffix("\n")


def test_all_is_the_whole_table(checkout, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there")
    whole = summarise(made_metrics(), made_methods(), runs="http://there")
    assert printed(capsys, everything=True) == whole


@pytest.mark.usefixtures("committed")
def test_where_results_are_as_committed_git_is_not_mentioned(capsys):
    assert printed(capsys) == last_screen(made_metrics(), made_methods(), [])


@pytest.mark.parametrize("is_staged", [False, True])
def test_what_it_tells_to_type_undoes_what_a_run_changed(committed, capsys, is_staged):
    write(committed, "methods", made_methods(lead=0.2))
    (committed / "dvc.lock").write_text("of this machine")
    (committed / "params.yaml").write_text("not of a run")
    (committed / "metrics/untracked.json").write_text("{}")
    if is_staged:
        git(committed, "add", "dvc.lock", "metrics/methods.json")
    command = printed(capsys).rpartition("\n")[2].split()
    assert command == ["git", "checkout", "HEAD", "dvc.lock", "metrics"]
    git(committed, *command[1:])
    assert printed(capsys) == last_screen(made_metrics(), made_methods(), [])
    assert (committed / "params.yaml").read_text() == "not of a run"


def test_a_checkout_inside_another_repository_names_its_own_files(checkout, capsys):
    above = checkout.parent
    git(above, "init", "--quiet")
    git(above, "add", ".")
    git(above, "commit", "--quiet", "--message=a")
    (checkout / "dvc.lock").write_text("of this machine")
    assert printed(capsys).endswith("\n  git checkout HEAD dvc.lock")


@pytest.mark.usefixtures("checkout")
def test_where_there_is_no_repository_or_no_git_nothing_is_said_of_it(
    tmp_path, monkeypatch, capsys
):
    plain = last_screen(made_metrics(), made_methods(), [])
    assert printed(capsys) == plain
    monkeypatch.setenv("PATH", str(tmp_path))
    assert printed(capsys) == plain


def test_every_result_that_git_keeps_of_a_run_is_looked_at():
    stages = yaml.safe_load((REPO / "dvc.yaml").read_text())["stages"].values()
    plain = [one.get("do", one) for one in stages]
    outs = [out for one in plain for kind in ("outs", "metrics") for out in one.get(kind, [])]
    kept = [
        name for out in outs if isinstance(out, dict) for name, how in out.items()
        if how.get("cache") is False
    ]  # fmt: skip
    assert len(kept) > 5
    assert {name.partition("/")[0] for name in ("dvc.lock", *kept)} == set(RESULTS)
