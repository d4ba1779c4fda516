"""Whoever started a stage is killed; `tests/stages/test_guard.py` has the same with real DVC."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
from waiting import becomes_true

from pipeline.guard import orphans

REPO = orphans.__file__.split("/pipeline/guard/")[0]
PACKAGE = "from pipeline.guard.orphans import end_with_starter\nend_with_starter()\n"
STEP = """
import os, time
from pathlib import Path
Path("here.new").write_text(str(os.getpid()))
Path("here.new").rename("here")
time.sleep(60)
"""
POOL = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

def begin(number):
    Path(f"worker-{number}").write_text(str(os.getpid()))
    time.sleep(0.3)

if __name__ == "__main__":
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(begin, range(4)))
        Path("here.new").write_text(str(os.getpid()))
        Path("here.new").rename("here")
        time.sleep(60)
"""
SHELL_THAT_STAYS = '#!/bin/sh\n/bin/sh "$@"\nexit $?\n'
STARTER = """
import os, subprocess, sys
started = subprocess.Popen(sys.argv[1:], env=os.environ | {"DVC_STAGE": "step"})
if "at once" not in sys.argv:
    started.wait()
"""
"""As `dvc.stage.run` does."""


def is_there(process):
    return psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def start(tmp_path):
    """Starts a command and gives its process, and that of the step once it is at work."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work/__init__.py").write_text(PACKAGE)
    (tmp_path / "work/step.py").write_text(STEP)
    (tmp_path / "work/pool.py").write_text(POOL)
    (tmp_path / "shell").write_text(SHELL_THAT_STAYS)
    (tmp_path / "shell").chmod(0o755)
    groups = []

    def started(*command):
        with (tmp_path / "said").open("w") as said:
            process = subprocess.Popen(
                command,
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": REPO},
                stderr=said,
                start_new_session=True,
            )
        groups.append(process)
        here = tmp_path / "here"
        assert becomes_true(here.exists, within_s=60)
        return process, int(here.read_text())

    yield started
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group.pid, signal.SIGKILL)
        group.wait()


def by_dvc(shell, command):
    return [sys.executable, "-c", STARTER, shell, "-c", command]


WORK = f"{sys.executable} -m work.step"


@pytest.mark.parametrize("shell", ["bash", "./shell"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_stage_ends_with_its_dvc_alone_whatever_its_shell_does(start, shell, how):
    dvc, step = start(*by_dvc(shell, WORK))
    assert (psutil.Process(step).ppid() == dvc.pid) == (shell == "bash")
    dvc.send_signal(how)
    dvc.wait()
    assert becomes_true(lambda: not is_there(step), within_s=2)


def test_a_stage_that_is_run_by_hand_outlives_its_shell(start):
    shell, step = start("sh", "-c", f"{WORK} & wait")
    shell.kill()
    shell.wait()
    time.sleep(0.3)
    assert is_there(step)


@pytest.mark.parametrize("shell", ["bash", "./shell"])
def test_a_stage_whose_dvc_has_ended_before_it_begins_says_so(start, tmp_path, shell):
    late = f"while [ ! -e go ]; do sleep 0.02; done; exec {WORK} 2> said"
    dvc = subprocess.Popen(
        [*by_dvc(shell, late), "at once"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": REPO},
        start_new_session=True,
    )
    dvc.wait()
    (tmp_path / "go").touch()
    said = tmp_path / "said"
    assert becomes_true(lambda: said.exists() and said.read_text().endswith("\n"), within_s=60)
    assert said.read_text() == "error: step: the dvc that started it has ended; run it again\n"
    assert not (tmp_path / "here").exists()


def test_a_process_of_a_torchrun_ends_with_it_when_it_is_killed(start):
    torchrun = STARTER.replace('"DVC_STAGE": "step"', '"RANK": "1"')
    parent, step = start(sys.executable, "-c", torchrun, *WORK.split())
    assert psutil.Process(step).ppid() == parent.pid
    parent.kill()
    parent.wait()
    assert becomes_true(lambda: not is_there(step), within_s=2)


def test_processes_that_share_a_stage_s_work_end_with_it_when_it_is_killed(start, tmp_path):
    stage, _ = start(sys.executable, "-m", "work.pool")
    workers = {int(file.read_text()) for file in tmp_path.glob("worker-*")}
    assert len(workers) == 2
    assert all(map(is_there, workers))
    stage.kill()
    stage.wait()
    assert becomes_true(lambda: not any(map(is_there, workers)), within_s=2)


def test_of_a_ctrl_c_the_stage_itself_speaks_and_not_those_that_share_its_work(start, tmp_path):
    stage, _ = start(sys.executable, "-m", "work.pool")
    os.killpg(stage.pid, signal.SIGINT)
    assert stage.wait(10) != 0
    assert (tmp_path / "said").read_text().count("Traceback") == 1
