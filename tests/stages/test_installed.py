"""The project, installed: `cxr` from any folder, and in a copy of the checkout the copy's code."""

import hashlib
import os
import shutil
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml

from tests.stages.conftest import attempt, clone, run
from tests.stages.scored import make_scored

UV = str(Path(sys.executable).with_name("uv"))


def make_environment(folder: Path, *, packages: bool = True) -> Path:
    """A new environment with the packages of this one, if they are wanted; its executables."""
    venv.create(folder)
    if packages:
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "packages.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


def install(binaries: Path, *words: str) -> None:
    """Without its dependencies, and built by what is there: nothing is fetched."""
    alone = ("--offline", "--no-deps", "--no-build-isolation")
    run(
        UV,
        "pip",
        "install",
        "-q",
        "--python",
        str(binaries / "python"),
        *alone,
        *words,
        cwd=Path(),
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return clone(tmp_path_factory.mktemp("original"))


@pytest.fixture(scope="module")
def editable(original):
    """Executables of an environment in which the original is installed as `make setup` does it."""
    binaries = make_environment(original.with_name("editable"))
    install(binaries, "--editable", str(original))
    return binaries


@pytest.fixture
def copy(original, tmp_path):
    """A copy of the original: its code says where it is, its first stage writes otherwise."""
    copy = shutil.copytree(original, tmp_path / "copy", symlinks=True)
    with (copy / "pipeline/errors.py").open("a") as errors:
        errors.write('\nprint("errors of", __file__)\n')
    check = copy / "stages/check.py"
    text = check.read_text()
    assert "Every value" in text
    check.write_text(
        text.replace("Every value", "Each value").replace("Refuse what", "Reject what")
    )
    return copy


def test_a_copy_runs_its_own_code_though_the_original_is_installed(editable, original, copy):
    where = "import pipeline, stages; print(*pipeline.__path__, *stages.__path__)"
    elsewhere = run(str(editable / "python"), "-c", where, cwd=original.parent).stdout.split()
    assert elsewhere == [f"{original}/pipeline", f"{original}/stages"]
    stage = run(str(editable / "python"), "-m", "stages.check", "--help", cwd=copy).stdout
    assert f"errors of {copy}/pipeline/errors.py" in stage
    assert "Reject what" in stage
    command = attempt(str(editable / "cxr"), "recipe", "nosuch", cwd=copy / "docs")
    assert f"errors of {copy}/pipeline/errors.py" in command.stdout
    assert "no recipe 'nosuch'" in command.stderr


def files_of(folder: Path) -> set[str]:
    found = (file for name in ("pipeline", "stages") for file in (folder / name).rglob("*"))
    return {
        file.relative_to(folder).as_posix()
        for file in found
        if file.is_file() and "__pycache__" not in file.parts
    }


def expect_score(binaries: Path, folder: Path) -> None:
    """`cxr` lists its commands, and scores files outside of any checkout."""
    folder.mkdir()
    make_scored(folder)
    assert "score" in run(str(binaries / "cxr"), "--help", cwd=folder).stdout
    words = ("good_test.csv", "--labels", "labels.csv", "--bootstrap", "20")
    assert "mean of 14" in run(str(binaries / "cxr"), "score", *words, cwd=folder).stdout


def test_what_is_installed_is_whole_and_scores_without_a_checkout(original, tmp_path):
    source = shutil.copytree(original, tmp_path / "source", symlinks=True)
    binaries = make_environment(tmp_path / "environment")
    install(binaries, str(source))
    (site,) = binaries.parent.glob("lib/python*/site-packages")
    assert files_of(site) == files_of(original)
    shutil.rmtree(source)
    expect_score(binaries, tmp_path / "files")


@pytest.mark.slow
def test_pip_installs_a_clean_clone_whose_base_dependencies_are_enough_to_score(
    original, tmp_path
):
    """Builds as pip does, with what it fetches for that; then the dependencies, as locked."""
    binaries = make_environment(tmp_path / "environment", packages=False)
    python = str(binaries / "python")
    run(python, "-m", "ensurepip", cwd=tmp_path)
    run(python, "-m", "pip", "install", "-q", "--no-deps", str(original), cwd=tmp_path)
    locked = ("--constraint", str(original / "requirements.lock"))
    run(UV, "pip", "install", "-q", "--python", python, *locked, str(original), cwd=tmp_path)
    run(UV, "pip", "check", "--python", python, cwd=tmp_path)
    for name in ("dvc", "mlflow", "ray"):
        assert "No module named" in attempt(python, "-c", f"import {name}", cwd=tmp_path).stderr
    run(python, "-c", "import torch, torchvision", cwd=tmp_path)
    expect_score(binaries, tmp_path / "files")


@pytest.mark.slow
def test_an_experiment_in_a_folder_of_its_own_records_what_its_own_code_wrote(editable, copy):
    words = ("-m", "dvc", "exp", "run", "--temp", "--name", "own", "check")
    variables = {"PATH": f"{editable}:{os.environ['PATH']}"}
    run(str(editable / "python"), *words, cwd=copy, **variables)
    run(
        str(editable / "python"), "-m", "dvc", "exp", "branch", "own", "own", cwd=copy, **variables
    )
    lock = yaml.safe_load(run("git", "show", "own:dvc.lock", cwd=copy).stdout)
    wrote = {out["path"]: out["md5"] for out in lock["stages"]["check"]["outs"]}
    text = b"Each value of params.yaml is one that the stages can work with.\n"
    assert wrote["data/checked"] == hashlib.md5(text).hexdigest()
