"""Where the stages of a checkout leave their records, and the process that carries them away."""

import subprocess
import sys
from pathlib import Path

from pipeline.tracking.spool import exclusive

_writers: list[subprocess.Popen[bytes]] = []  # kept, since they outlive the stage


def spool_folder(root: Path) -> Path:
    """Where stages of the checkout at `root` leave their records for the writer."""
    return root / ".tracking"


def start_writer(folder: Path) -> None:
    """Make sure that a writer runs.

    In its own session, so that a Ctrl-C meant for the stage leaves it time to write that down.
    """
    with exclusive(folder / "writer.lock") as idle:
        pass
    if idle:
        writer = subprocess.Popen(
            [sys.executable, "-m", "pipeline.tracking.writer", str(folder)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        _writers.append(writer)
