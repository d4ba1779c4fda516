"""DVC and git as commands, and what they say."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

from pipeline.errors import ExperimentError


def dvc(*words: str, root: Path) -> str:
    """What `dvc <words>` prints in the checkout at `root`.

    Raises:
        ExperimentError: it failed; says why in DVC's words.
    """
    return _said([sys.executable, "-m", "dvc", *words], called=f"dvc {words[0]}", root=root)


def git(*words: str, root: Path) -> str:
    """What `git <words>` prints in the checkout at `root`.

    Raises:
        ExperimentError: it failed; says why in git's words.
    """
    return _said(["git", *words], called=f"git {words[0]}", root=root)


def _said(command: list[str], *, called: str, root: Path) -> str:
    # DVC calls `dvc` for the queue's workers, and stages call `python`: those of this environment,
    # activated or not.
    beside = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', '')}"}
    # Files, not pipes: the workers that `dvc queue start` leaves behind would hold a pipe open.
    with TemporaryFile("w+") as said, TemporaryFile("w+") as wrong:
        done = subprocess.run(command, cwd=root, env=env, stdout=said, stderr=wrong, check=False)
        said.seek(0)
        wrong.seek(0)
        if done.returncode:
            reason = wrong.read().strip() or said.read().strip() or f"exit {done.returncode}"
            raise ExperimentError(f"{called}: {reason}")
        return said.read()
