"""A clone of this repository whose params are tiny, and its pipeline run once with real DVC."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stages import warm_python

REPO = Path(__file__).parents[2]

CXR = ("python", "-m", "pipeline.commands.cli")
"""The console script, of whatever checkout it is called in."""


WORK_FOR_EACH_STAGE = {
    "phantom": {"patients": 80},
    "model": {"local": "timm:test_byobnet"},
    "second": {"global": "timm:test_byobnet", "local": "timm:test_efficientnet_capsnet"},
    "fusion": {"head": "mlp", "finetune": ["model"]},
    "heatmap": {"methods": ["attention", "cam"]},
}
"""What the pipeline of the tests has beside tests/tiny.yaml, so that every stage has work in it: a
cascade to pretrain, and a fusion through its branches. All is small: most networks, of which any
will do here, have 0.1 million weights."""


def attempt(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run to the end, which may be a failure; with the environment of `cwd`, if it has one."""
    folders = [str(cwd / ".venv/bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    variables = os.environ | {
        "PATH": os.pathsep.join(folders),
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
        "OMP_NUM_THREADS": "1",
        "CXR_TRACKING": "off",
        "PYTHONDONTWRITEBYTECODE": "",  # each stage is a process: compiled once, not 20 times
    }
    return subprocess.run(
        command, cwd=cwd, env=variables | env, capture_output=True, text=True, check=False
    )


def run(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run to the end; a failure shows what was printed."""
    done = attempt(*command, cwd=cwd, **env)
    assert done.returncode == 0, (
        f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    )
    return done


def stages_run(done: subprocess.CompletedProcess[str]) -> list[str]:
    """In their order, but for `check`, which runs after any change of params."""
    names = re.findall(r"Running stage '([^']+)'", done.stdout)
    return [name for name in names if name != "check"]


def merge(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for key, value in changes.items():
        values[key] = merge(values.get(key, {}), value) if isinstance(value, dict) else value
    return values


def clone(folder: Path) -> Path:
    """What git would give a stranger (uncommitted changes included), with tiny params.

    Without dvc.lock, which is of other params: DVC reads and writes it whole around each stage.
    """
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=REPO).stdout.split("\n")
    for name in filter(None, listed):
        if (REPO / name).is_file() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, folder / name)
    values = merge(yaml.safe_load((REPO / "tests/tiny.yaml").read_text()), WORK_FOR_EACH_STAGE)
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    run("git", "init", "-q", cwd=folder)
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    run("git", "add", "-A", cwd=folder)
    run("git", "commit", "-qm", "state", cwd=folder)


@pytest.fixture(scope="session")
def make_clone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    return lambda: clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def finished(
    make_clone: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A clone after `dvc repro`; tests may change params, but put them back.

    Its `python` and `dvc` begin at once, there and in copies.
    """
    folder = make_clone()
    server, calls = warm_python.start(tmp_path_factory.mktemp("python"))
    (folder / ".venv/bin").mkdir(parents=True)
    for call in calls:
        (folder / ".venv/bin" / call.name).symlink_to(call)
    run("dvc", "repro", "report", "package", cwd=folder)
    commit(folder)
    yield folder
    server.kill()
    server.wait()
