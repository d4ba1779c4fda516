"""What git keeps: text and a few small pictures, no package, data or weights; and what it says."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline.commands.cli import COMMANDS

REPO = Path(__file__).parents[1]
MOST_BYTES = 1_000_000
KEPT_ELSEWHERE = {".whl", ".npy", ".parquet", ".safetensors", ".pt", ".pth", ".db", ".pyc"}


@pytest.fixture(scope="module")
def tracked():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPO, check=True, capture_output=True, text=True
    )
    return [REPO / name for name in listed.stdout.split("\0") if name]


def test_no_tracked_file_is_large_or_made(tracked):
    there = [path for path in tracked if path.exists()]
    assert len(there) > 100
    assert [path for path in there if path.stat().st_size > MOST_BYTES] == []
    assert [path for path in there if path.suffix in KEPT_ELSEWHERE] == []


TOLD = ("Makefile", "README.md", "recipes", "pipeline", "stages", "params.yaml", "dvc.yaml", ".ci")
"""Where a person is told what to type."""


def told(tracked, pattern):
    """What the pattern's group matches in texts that people read, and where."""
    texts = {
        name: path.read_text()
        for path in tracked
        if path.is_file() and path.suffix not in {".jpg", ".png"}
        for name in [path.relative_to(REPO).as_posix()]
        if name.startswith(TOLD)
    }
    return {(name, word) for name, text in texts.items() for word in re.findall(pattern, text)}


def test_commands_that_people_are_told_to_type_are_there(tracked):
    stages = told(tracked, r"-m stages\.(\w+)")
    commands = told(tracked, r"(?:`|\$ |/|: )cxr (?:\w+=\S+ )*([a-z]+)")
    assert len(stages) > 10
    assert len(commands) > 10
    assert [
        (file, name) for file, name in stages if not (REPO / f"stages/{name}.py").exists()
    ] == []
    assert [(file, name) for file, name in commands if name not in COMMANDS] == []


def test_the_lock_covers_the_base_every_extra_and_what_builds_the_project():
    project = tomllib.loads((REPO / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    groups = project["dependency-groups"].values()
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    wanted += [one for group in (*extras, *groups) for one in group]
    locked = dict(
        re.findall(r"^([\w.-]+)==([^\s;]+)", (REPO / "requirements.lock").read_text(), re.M)
    )
    assert len(wanted) > 30
    for requirement in map(Requirement, wanted):
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement
