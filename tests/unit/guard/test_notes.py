"""Notes of what a stage depends on: what counts as a change, and how it is told."""

import os
import re
import time
from pathlib import Path

import pytest

from pipeline.errors import StageError
from pipeline.guard.declared import Declared
from pipeline.guard.notes import expect_settled, expect_unchanged, take_notes

PARAMS = "seed: 7\ntrain:\n  batch_size: 16\n  ema: 0.0\ntrained: 1\nsplit:\n  seed: 3\n"
CODE, ROOM, INPUT = "stages/wait.py", "pipeline/base", Path("data/source")
DECLARED = Declared("wait", (CODE, ROOM), ("seed", "train"))


@pytest.fixture(autouse=True)
def _checkout(tmp_path, monkeypatch):
    """A folder in which a stage runs: its code, its params and what it reads."""
    monkeypatch.chdir(tmp_path)
    files = {
        "params.yaml": PARAMS, CODE: "a", f"{ROOM}/seeds.py": "b", f"{ROOM}/deep/c.py": "c",
        "pipeline/other.py": "d", "data/table.csv": "e", "data/source/deep/a.npy": "f",
    }  # fmt: skip
    for name, text in files.items():
        write(name, text)


def write(name, text):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


def notes(declared=DECLARED):
    return take_notes(declared, inputs=[Path("data/table.csv"), INPUT], params=Path("params.yaml"))


def told(edit):
    """What a stage says in its end of an edit while it ran."""
    before = notes()
    edit()
    with pytest.raises(StageError) as caught:
        expect_unchanged("wait", before, notes())
    found = re.match("wait: changed while it ran: (.*); its outputs follow", str(caught.value))
    return found[1]


def replaced():
    """By another file of the same size and time, as stages write."""
    old, fresh = Path("data/table.csv"), Path("data/fresh")
    fresh.write_text("x")
    os.utime(fresh, ns=(old.stat().st_atime_ns, old.stat().st_mtime_ns))
    fresh.replace(old)


CHANGES = {
    "params.yaml: train.batch_size (was 16, now 8)": lambda: write(
        "params.yaml", PARAMS.replace("16", "8")
    ),
    "params.yaml: train.loss (was not there, now 'bce')": lambda: write(
        "params.yaml", PARAMS.replace("train:", "train:\n  loss: bce")
    ),
    "params.yaml: train.ema (was 0.0, now not there)": lambda: write(
        "params.yaml", PARAMS.replace("  ema: 0.0\n", "")
    ),
    CODE: lambda: write(CODE, "x"),
    f"{CODE} (gone)": lambda: Path(CODE).unlink(),
    f"{ROOM}/deep/c.py": lambda: write(f"{ROOM}/deep/c.py", "x"),
    f"{ROOM}/new.py (new)": lambda: write(f"{ROOM}/new.py", ""),
    "data/table.csv": replaced,
    "data/source/deep/a.npy (gone)": lambda: Path("data/source/deep/a.npy").unlink(),
    "data/source/deep/b.npy (new)": lambda: write("data/source/deep/b.npy", ""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_is_named_and_how(change):
    assert told(CHANGES[change]) == change


@pytest.mark.parametrize("text", ["seed: [1", None, "\0"], ids=["torn", "gone", "binary"])
def test_params_that_cannot_be_read_any_more_are_values_that_are_gone(text):
    def edit():
        Path("params.yaml").unlink() if text is None else write("params.yaml", text)

    assert told(edit) == (
        "params.yaml: seed (was 7, now not there), params.yaml: train.batch_size (was 16, now not "
        "there), params.yaml: train.ema (was 0.0, now not there)"
    )


def test_many_changes_are_told_in_one_line_params_first():
    def edit():
        write("params.yaml", PARAMS.replace("16", "8"))
        for number in range(9):
            write(f"{ROOM}/{number}.py", "")

    assert told(edit).startswith("params.yaml: train.batch_size (was 16, now 8), pipeline/base/0")
    assert told(lambda: [path.unlink() for path in Path(ROOM).glob("?.py")]).endswith(
        " and 3 more"
    )


NO_CHANGES = {
    "nothing": lambda: None,
    "a param of another section": lambda: write("params.yaml", PARAMS.replace("3", "4")),
    "a key that begins alike": lambda: write("params.yaml", PARAMS.replace("trained: 1", "")),
    "a comment": lambda: write("params.yaml", f"# why\n{PARAMS}"),
    "other code": lambda: write("pipeline/other.py", "x"),
    "code, to and fro": lambda: write(CODE, "a"),
    "what Python compiles": lambda: write(f"{ROOM}/__pycache__/seeds.pyc", "x"),
    "what is half written": lambda: write("data/source/.b.npy.1.partial", "x"),
    "a link to nowhere": lambda: Path("data/source/link").symlink_to("nowhere"),
}


@pytest.mark.parametrize("change", NO_CHANGES)
def test_what_a_stage_does_not_depend_on_may_change(change):
    before = notes()
    NO_CHANGES[change]()
    expect_unchanged("wait", before, notes())


def test_a_stage_that_declares_the_whole_file_hears_of_every_key():
    whole = Declared("check", (), ("",))
    before = notes(whole)
    write("params.yaml", PARAMS.replace("3", "4"))
    with pytest.raises(StageError, match=r"check: .* split.seed \(was 3, now 4\); its outputs"):
        expect_unchanged("check", before, notes(whole))


@pytest.mark.parametrize("name", [CODE, f"{ROOM}/deep/c.py"])
def test_code_that_is_younger_than_the_process_is_refused(name):
    began = time.time_ns()
    os.utime(name, ns=(began + 1, began + 1))
    with pytest.raises(StageError) as caught:
        expect_settled("wait", DECLARED, since_ns=began)
    assert str(caught.value) == f"wait: edited while it started: {name}; run it again"


@pytest.mark.parametrize("hours", [-1, 1], ids=["before", "by a clock that was wrong"])
def test_code_of_another_time_is_settled(hours):
    began = time.time_ns()
    for path in Path().rglob("*.py"):
        os.utime(path, ns=(began + hours * 3600 * 10**9,) * 2)
    os.utime("pipeline/other.py", ns=(began + 1, began + 1))  # nothing to this stage
    expect_settled("wait", DECLARED, since_ns=began)
