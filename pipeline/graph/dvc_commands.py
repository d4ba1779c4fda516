"""DVC and git as commands, and what they say."""

import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from types import MappingProxyType

from pipeline.errors import ExperimentError

log = logging.getLogger(__name__)

_LONG_S = 20.0  # seconds after which a person is told what is waited for


def dvc(*words: str, root: Path, env: Mapping[str, str] = MappingProxyType({})) -> str:
    """What `dvc <words>` prints in the checkout at `root`.

    Waits while another DVC command holds the repository's lock, such as a `dvc push`.

    Args:
        words: behind `dvc`.
        root: the checkout.
        env: of its environment, what is not in this process's.

    Raises:
        ExperimentError: it failed; says why in DVC's words.
    """
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", *words]
    return _said(command, called=f"dvc {words[0]}", root=root, env=env)


def git(*words: str, root: Path) -> str:
    """What `git <words>` prints in the checkout at `root`.

    Raises:
        ExperimentError: it failed; says why in git's words.
    """
    return _said(["git", *words], called=f"git {words[0]}", root=root, env={})


def _said(command: list[str], *, called: str, root: Path, env: Mapping[str, str]) -> str:
    # DVC calls `dvc` for the queue's workers, and stages call `python`: those of this environment,
    # activated or not.
    beside = Path(sys.executable).parent
    path = f"{beside}{os.pathsep}{os.environ.get('PATH', '')}"
    env = {**os.environ, **env, "PATH": path}
    # Files, not pipes: the workers that `dvc queue start` leaves behind would hold a pipe open.
    with TemporaryFile("w+") as said, TemporaryFile("w+") as wrong:
        with subprocess.Popen(command, cwd=root, env=env, stdout=said, stderr=wrong) as process:
            _wait(process, called)
        said.seek(0)
        wrong.seek(0)
        if process.returncode:
            reason = wrong.read().strip() or said.read().strip() or f"exit {process.returncode}"
            raise ExperimentError(f"{called}: {reason}")
        return said.read()


def _wait(process: "subprocess.Popen[bytes]", called: str) -> None:
    try:
        process.wait(_LONG_S)
    except subprocess.TimeoutExpired:
        log.info("waits for %s; another DVC command may hold the repository's lock", called)
        process.wait()
