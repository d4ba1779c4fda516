"""Every stage stopped in the middle: by kill -9 at random moments, and by Ctrl-C."""

import logging
import os
import pty
import random
import select
import shutil
import sqlite3
import subprocess
import termios
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml
from waiting import becomes_true

from pipeline.tracking.spool import spools, wait_until_written
from tests.stages.conftest import REPO, run
from tests.stages.killed import (
    begin,
    bytes_of,
    change,
    environment,
    kill,
    left_behind,
    outputs_of,
    said,
)

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

STAGES = yaml.safe_load((REPO / "dvc.yaml").read_text())["stages"]

MOMENTS = 5


def name_of(stage: str) -> str:
    """As DVC calls it, of one member if each has such a stage."""
    return f"{stage}@model" if "do" in STAGES[stage] else stage


@pytest.fixture
def copy(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    (folder / "tmp").mkdir()
    return folder


def forced(stage: str) -> list[str]:
    return ["dvc", "repro", "--single-item", "--force", name_of(stage)]


def wholes_and_none(outputs: list[Path], expected: dict[Path, dict[str, bytes]]) -> bool:
    """Whether of all outputs each is there as it should be, or is not there at all."""
    return all(bytes_of([one]) in ({}, expected[one]) for one in outputs)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_at_any_moment_ends_as_one_that_was_let_alone(copy, stage):
    outputs = outputs_of(stage, copy)
    expected = {one: bytes_of([one]) for one in outputs}
    assert all(expected.values())
    lock = (copy / "dvc.lock").read_text()
    temporary = {"TMPDIR": str(copy / "tmp")}
    started = time.monotonic()
    assert begin(forced(stage), copy, **temporary).wait() == 0, said(copy)
    whole = time.monotonic() - started
    assert (copy / "dvc.lock").read_text() == lock
    chance, kills = random.Random(stage), 0
    while kills < MOMENTS:
        moment = whole * (kills + chance.random()) / MOMENTS
        process = begin(forced(stage), copy, **temporary)
        time.sleep(moment)
        if kill(process):
            kills += 1
        else:  # the machine was busier before
            whole = moment
        log.info("%s killed after %.1f of %.1f s", stage, moment, whole)
        assert wholes_and_none(outputs, expected)
        if (copy / "dvc.lock").read_text() != lock:  # DVC was writing it, in place
            shutil.copyfile(copy / ".ckpt/dvc.lock.copy", copy / "dvc.lock")
    # without what DVC keeps of earlier runs, which would spare it to run the stage
    run("dvc", "repro", "--no-run-cache", "report", "package", cwd=copy, **temporary)
    assert {one: bytes_of([one]) for one in outputs} == expected
    assert (copy / "dvc.lock").read_text() == lock
    left = left_behind(copy)
    assert left.processes == []
    assert left.files == []


def statuses(store: Path) -> list[str]:
    with closing(sqlite3.connect(store)) as opened:
        return [status for (status,) in opened.execute("select status from runs")]


def kill_writers(folder: Path) -> None:
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if {"pipeline.tracking.writer", str(folder / ".tracking")} <= {*words}:
            process.kill()


def test_no_run_says_for_ever_that_it_runs_even_if_its_writer_was_killed_too(copy):
    tracked, chance = {"CXR_TRACKING": "on"}, random.Random("writer")
    for number in range(MOMENTS):
        waiting = {*spools(copy / ".tracking")}  # those of a writer that was killed
        process = begin(forced("split"), copy, **tracked)
        assert becomes_true(lambda old=waiting: {*spools(copy / ".tracking")} - old, within_s=120)
        time.sleep(chance.uniform(0, 3))
        kill(process)
        if number % 2:
            kill_writers(copy)
    run(*forced("split"), cwd=copy, **tracked)
    assert wait_until_written(copy / ".tracking", timeout_s=300)
    counts = Counter(statuses(copy / "mlflow.db"))
    assert counts.keys() == {"KILLED", "FINISHED"}
    assert counts.total() == 2 * (MOMENTS + 1)  # a stage's, and that of its dvc repro
    assert counts["FINISHED"] >= 2


MUCH = {
    "phantom": {"phantom": {"patients": 3000, "size_px": 512}},
    "pretrain_capsnet": {"capsnet": {"epochs": 200}},
    "train_global": {"global": {"epochs": 200}},
    "train_local": {"local": {"epochs": 200}},
    "train_fusion": {"fusion": {"epochs": 200}},
    "finetune_fusion": {"fusion": {"epochs": 200}},
    "evaluate": {"evaluate": {"bootstrap": 50_000}},
    "iou": {"iou": {"bootstrap": 50_000}},
}
"""What gives a stage work for minutes; the others have what the tiny cohort gives them."""


@dataclass
class Terminal:
    """One that a command is the first of; what is typed there is meant for all that it starts."""

    master: int
    slave: int
    process: subprocess.Popen

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def shown(self) -> str:
        """Since it was last asked for."""
        text = b""
        while select.select([self.master], [], [], 0)[0]:
            text += os.read(self.master, 65536)
        return text.decode(errors="replace")

    def wait(self, within_s: float) -> str:
        """Until the command has ended; all that it shows."""
        until, text = time.monotonic() + within_s, ""
        while self.process.poll() is None and time.monotonic() < until:
            text += self.shown()
            time.sleep(0.01)
        return text + self.shown()


@contextmanager
def terminal(command: list[str], folder: Path) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    opens = 'exec "$@" < "$0" > "$0" 2>&1'  # so a session's first process comes by its terminal
    process = subprocess.Popen(
        ["sh", "-c", opens, os.ttyname(slave), *command],
        cwd=folder,
        env=environment() | {"TMPDIR": str(folder / "tmp")},
        start_new_session=True,
    )
    try:
        yield Terminal(master, slave, process)
    finally:
        kill(process)
        os.close(master)
        os.close(slave)


def is_guarded(stage: str, folder: Path, *, since: float) -> bool:
    """Whether a stage has begun its work: it says so in a file."""
    noted = folder / ".ckpt/running" / name_of(stage)
    return noted.exists() and noted.stat().st_mtime > since and noted.stat().st_size > 0


@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_ends_a_stage_at_once_and_leaves_nothing(copy, stage):
    outputs = outputs_of(stage, copy)
    expected = {one: bytes_of([one]) for one in outputs}
    change(copy, MUCH.get(stage, {}))
    since, chance = time.time(), random.Random(stage)
    with terminal(forced(stage), copy) as shell:
        before = termios.tcgetattr(shell.slave)
        shown = ""
        while not is_guarded(stage, copy, since=since):
            assert shell.process.poll() is None, shown
            shown += shell.shown()
            time.sleep(0.005)
        shown += shell.wait(chance.uniform(0, 3.0 if stage in MUCH else 0.05))
        typed = time.monotonic()
        shell.type("\x03")
        shown += shell.wait(60)
        seconds = time.monotonic() - typed
        assert shell.process.poll() not in (None, 0), shown
        assert termios.tcgetattr(shell.slave) == before
    log.info("%s ended %.1f s after Ctrl-C\n%s", stage, seconds, shown[-1500:])
    assert seconds < 5  # a figure for a busy machine
    left = left_behind(copy)
    assert left.processes == []
    assert left.files == []
    assert stage in MUCH or wholes_and_none(outputs, expected)
