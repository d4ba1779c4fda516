"""A stage's process ends as any of Python's, but sooner."""

import subprocess
import sys
from pathlib import Path

from tests.stages.conftest import REPO, run

STAGE = """
import atexit, threading, time
from pipeline.guard.options import run

def speak_late():
    time.sleep(0.3)
    print("thread")

def main():
    atexit.register(print, "end")
    threading.Thread(target=speak_late).start()
    print("stage")

run(main, tracked=False)
"""


def stage(folder: Path) -> list[str]:
    (folder / "speak.py").write_text(STAGE)
    return [sys.executable, "speak.py"]


def test_threads_and_what_waits_for_the_end_have_their_say(tmp_path):
    done = run(*stage(tmp_path), cwd=tmp_path, PYTHONPATH=str(REPO))
    assert done.stdout.split() == ["stage", "thread", "end"]


def test_output_that_cannot_be_written_is_no_success(tmp_path):
    command = stage(tmp_path)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={"PYTHONPATH": str(REPO)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 120  # Python's own
    assert "No space left on device" in done.stderr
