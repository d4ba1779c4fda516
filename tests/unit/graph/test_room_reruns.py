"""What an edit of code runs again: docs/rooms.md against the answers of DVC itself."""

import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo

from pipeline.graph.code_deps import BESIDE, INERT, ROOMS, room_of
from pipeline.graph.reruns import find_room_reruns, idle_stages, render_room_reruns
from pipeline.guard.declared import is_code
from pipeline.params.whole import load_params

REPO = Path(__file__).parents[3]

RESULTS = ("evaluation", "localisation", "report", "terminal")


@pytest.fixture(scope="module")
def reruns():
    return find_room_reruns(REPO)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The code and the graph in a repository of its own."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("pipeline", "stages"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPO / name, folder / name, ignore=ignore)
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        shutil.copy(REPO / name, folder)
    Repo.init(str(folder), no_scm=True)
    return folder


def a_file_of(room, root):
    """One that is in no room within it."""
    for file in sorted((root / room).rglob("[a-z]*.py")):
        if room_of(file.relative_to(root).as_posix()) in (room, None):
            return file
    raise AssertionError(f"{room}: no module")


def test_an_edit_in_each_room_runs_what_dvc_says(copy, reruns):
    """DVC compares the code that each stage has recorded with code of which a file is edited."""
    index = Repo(str(copy)).index
    code = [
        (stage.name, dep)
        for stage in index.stages
        for dep in stage.deps
        if is_code(getattr(dep, "def_path", ""))
    ]
    for _, dep in code:
        dep.save()
    after = {
        stage.name: {other.name for other in index.graph.predecessors(stage)}
        for stage in index.stages
    }
    silent = {"check", *idle_stages(load_params(copy / "params.yaml"))}
    assert set(reruns) == {room.rstrip("/") for room in (*ROOMS, *BESIDE, *INERT)}
    for room, expected in reruns.items():
        file = copy / room
        file = file if file.is_file() else a_file_of(room, copy)
        before = file.read_bytes()
        file.write_bytes(before + b"\n# edited\n")
        run = {stage for stage, dep in code if dep.workspace_status()}
        file.write_bytes(before)
        while more := {s for name in run - silent for s in after[name]} - run:
            run |= more
        assert set(expected) == run, room


def test_what_is_compiled_is_no_edit(copy):
    index = Repo(str(copy)).index
    deps = [dep for stage in index.stages for dep in stage.deps if dep.def_path == "pipeline/base"]
    for dep in deps:
        dep.save()
    (copy / "pipeline/base/__pycache__").mkdir()
    (copy / "pipeline/base/__pycache__/seeds.cpython-311.pyc").write_bytes(b"x")
    assert [dep for dep in deps if dep.workspace_status()] == []


@pytest.mark.parametrize("room", RESULTS)
def test_an_edit_of_results_never_trains(reruns, room):
    stages = reruns[f"pipeline/results/{room}"]
    assert [name for name in stages if name.startswith(("train", "finetune", "extract"))] == []


@pytest.mark.parametrize("room", [*BESIDE, *INERT])
def test_what_is_beside_the_walk_or_inert_runs_nothing(reruns, room):
    assert reruns[room.rstrip("/")] == ()


def test_a_fusion_head_retrains_no_branch(reruns):
    trained = {name.partition("@")[0] for name in reruns["pipeline/fusion"]}
    assert not trained & {"train_global", "train_local", "extract_crops"}


def test_the_page_is_current(reruns):
    members = load_params(REPO / "params.yaml").ensemble.members
    page = (REPO / "docs/rooms.md").read_text()
    assert page == render_room_reruns(reruns, members), "make graph"
