"""`cxr`: what it lists, what it imports for that, and how it says what is wrong."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from given_boxes import TRUE, write_list
from made_model import write_model
from packaging.requirements import Requirement
from stated_packages import brought, hidden

from pipeline.commands import cli
from pipeline.commands.cli import COMMANDS, app
from tests.stages.scored import make_scored

REPO = Path(__file__).parents[3]
HEAVY = {"torch", "mlflow", "ray", "dvc"}

LOADED = """
import json, sys
from pathlib import Path
from pipeline.commands.cli import app
try:
    app()
finally:
    Path("loaded.json").write_text(json.dumps([*sys.modules]))
"""


def call(folder, *words, before=""):
    """A process that calls it; the packages that it imported."""
    command = [sys.executable, "-c", before + LOADED, *map(str, words)]
    environment = {"PYTHONPATH": str(REPO), "PATH": str(Path(sys.executable).parent)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    loaded = json.loads((folder / "loaded.json").read_text())
    return done, {name.partition(".")[0] for name in loaded}


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["nosuch"], ["score", "--help"], ["score-boxes", "--help"]]
)
def test_a_list_and_a_score_wait_for_no_heavy_import(tmp_path, words):
    done, loaded = call(tmp_path, *words)
    assert "Usage: cxr" in done.stdout + done.stderr
    assert loaded & HEAVY == set()


def test_a_command_that_needs_a_heavy_import_is_seen_to_do_it(tmp_path):
    assert "dvc" in call(tmp_path, "graph", "--help")[1]


def test_the_list_has_every_command_in_a_line_and_in_order(tmp_path):
    done, _ = call(tmp_path, "--help")
    rows = dict(re.findall(r"^│ ([a-z][a-z-]*) +(\S.*?) +│$", done.stdout, re.M))
    assert list(rows.items()) == list(COMMANDS.items())
    folder = Path(cli.__file__).parent
    modules = {file.stem for file in (*folder.glob("*.py"), *folder.glob("judging/*.py"))}
    assert modules - {"__init__", "cli", "checkout"} == {
        name.replace("-", "_") for name in COMMANDS
    }


def test_what_is_no_command_is_said_and_none_is_run(tmp_path):
    done, _ = call(tmp_path, "socre")
    assert done.returncode == 2
    assert "No such command 'socre'" in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(monkeypatch, capsys, name):
    monkeypatch.setattr(sys, "argv", ["cxr", name, "--help"])
    with pytest.raises(SystemExit) as ended:
        app()
    assert ended.value.code == 0
    assert f"Usage: cxr {name}" in capsys.readouterr().out


def test_a_package_that_is_not_installed_is_named_with_where_it_comes_from(tmp_path):
    absent = "import sys; sys.modules['dvc'] = None\n"
    done, _ = call(tmp_path, "graph", before=absent)
    assert done.returncode == 1
    assert done.stderr == (
        "error: `cxr graph` needs dvc, which is not installed; `make setup` has it, elsewhere: "
        "pip install '.[pipeline]' in the checkout\n"
    )


@pytest.mark.parametrize("words", [["score"], ["score-boxes", "--boxes", "true.csv"]])
def test_score_and_its_kin_run_on_the_base_dependencies_and_without_torch(tmp_path, words):
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    base = brought(Requirement(one).name for one in project["dependencies"])
    before = hidden(base | {project["name"]})
    make_scored(tmp_path)
    write_list(TRUE, tmp_path / "true.csv")
    given = {"score": "good_test.csv", "score-boxes": "true.csv"}[words[0]]
    words = [*words, given, "--labels", "labels.csv", "--bootstrap", "20", "--out", "out"]
    done, loaded = call(tmp_path, *words, before=before)
    assert done.returncode == 0, done.stderr
    assert "pandas" in loaded
    assert "torch" not in loaded
    assert (tmp_path / "out/metrics.json").exists()


def test_threads_that_wait_for_work_sleep_in_commands_as_in_stages(tmp_path):
    names = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"]
    words = f"import os, atexit; atexit.register(lambda: print(*map(os.environ.get, {names})))\n"
    assert call(tmp_path, "--help", before=words)[0].stdout.endswith("PASSIVE 20000\n")


def test_the_card_of_a_folder_waits_for_no_heavy_import(tmp_path):
    done, loaded = call(
        tmp_path, "model", "show", write_model(tmp_path / "package", members=("model",))
    )
    assert done.stdout.startswith("# A model of chest radiographs\n"), done.stderr
    assert loaded & HEAVY == set()


def test_the_address_of_a_model_without_mlflow_names_the_extra(tmp_path):
    (tmp_path / "mlflow.db").touch()
    absent = "import sys; sys.modules['mlflow'] = None\n"
    done, _ = call(tmp_path, "model", "show", "models:/cxr/1", before=absent)
    assert done.returncode == 1
    assert done.stderr == (
        "error: models:/cxr/1: needs MLflow, and mlflow is not installed; "
        "pip install '.[pipeline]' in the checkout\n"
    )


def test_no_registry_is_made_where_there_is_no_checkout(tmp_path):
    done, loaded = call(
        tmp_path, "model", "register", write_model(tmp_path / "package", members=("model",))
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {tmp_path}: no checkout, so no registry; go to your clone (cd), or set "
        "MLFLOW_TRACKING_URI\n"
    )
    assert loaded & HEAVY == set()
    assert not (tmp_path / "mlflow.db").exists()
