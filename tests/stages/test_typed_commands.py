"""What README.md and docs/ tell a person to type, run as it stands behind a finished pipeline.

Of every command `tests/docs/` proves that it may be typed. Here those that only look, or write
beside the results, are really typed.
"""

import shutil
import subprocess
from pathlib import Path

import pytest
from typed import PAGES, Typed, fences, split, typed_on

from tests.stages.conftest import CXR, REPO, attempt, run

QUICK = ("cxr --help", "cxr model show data", "cxr summary", "cxr tables", "dvc metrics show")
"""How commands begin that look at results, in a second or less."""

SLOW = (
    "cxr compare", "cxr model export data", "cxr predict data", "cxr predict radiograph",
    "dvc exp show", "dvc metrics diff", "dvc params diff", "dvc queue status", "dvc status",
)  # fmt: skip
"""The same of those that take longer, or that write beside the results."""

NOT_HERE = ("--onnx", "<folder>", "IMAGES", "--queue", "--targets")
"""What others test, or what stands for something of one's own."""


def of_make(command: Typed) -> list[Typed]:
    """What a target of make runs, or the command itself."""
    if command.words[0] != "make":
        return [command]
    said = subprocess.run(
        ["make", "-n", *command.words[1:]], cwd=REPO, capture_output=True, text=True, check=False
    )
    lines = [line.removeprefix(".venv/bin/") for line in said.stdout.splitlines()]
    return [one for line in lines if line.startswith(("cxr ", "dvc ")) for one in split(line, "")]


def told(begins: tuple[str, ...]) -> dict[str, Typed]:
    """Commands of all pages that begin so, each once."""
    typed = [one for page in PAGES if page.stem != "CONTRIBUTING" for one in typed_on(page)]
    all_of_them = {" ".join(one.words): one for each in typed for one in of_make(each)}
    return {
        text: one
        for text, one in all_of_them.items()
        if text.startswith(begins) and not any(word in one.text for word in NOT_HERE)
    }


def failures(commands: dict[str, Typed], folder: Path) -> dict[str, str]:
    """What those that fail say."""
    failed = {}
    for text, one in commands.items():
        words = [*CXR, *one.words[1:]] if one.words[0] == "cxr" else [*one.words]
        done = attempt(*words, cwd=folder)
        if done.returncode:
            failed[text] = done.stderr[-500:] or done.stdout[-500:]
    return failed


@pytest.fixture(scope="module")
def place(finished, tmp_path_factory):
    """A copy with what the pages have: branches `main` and `mlp`, and a radiograph."""
    folder = tmp_path_factory.mktemp("typed") / "checkout"
    shutil.copytree(finished, folder, symlinks=True)
    run("git", "branch", "-f", "mlp", cwd=folder)
    run("git", "checkout", "-q", "-B", "main", cwd=folder)
    shown = folder / "data/phantom/images/00000002_000.png"
    shutil.copy(shown, folder / "radiograph.png")
    return folder


@pytest.mark.xdist_group("pipeline")  # run once, on one worker
def test_commands_that_look_run_as_they_are_typed(finished):
    commands = told(QUICK)
    assert len(commands) >= len(QUICK)
    assert failures(commands, finished) == {}


@pytest.mark.slow
@pytest.mark.xdist_group("pipeline")
def test_commands_that_compare_or_write_run_as_they_are_typed(place):
    commands = told(SLOW)
    assert len(commands) > len(SLOW)
    assert failures(commands, place) == {}


@pytest.mark.slow
@pytest.mark.xdist_group("pipeline")
def test_the_python_of_the_pages_runs_as_it_stands(place):
    blocks = [
        body
        for page in PAGES
        for language, body in fences(page.read_text())
        if language == "python"
    ]
    assert blocks
    for block in blocks:
        run("python", "-c", block, cwd=place, PYTHONPATH=str(place))
