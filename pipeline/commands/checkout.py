"""The checkout that a command works on: around the folder in which it is called."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.guard.own_code import is_own_code

MARKS = ("dvc.yaml", "params.yaml")
"""Files that a checkout has at its top."""


def enter_checkout() -> Path:
    """Go to the top of the checkout around the current folder.

    What a person gave as a path must be absolute by then (`resolve_path`).

    Returns:
        The folder, absolute; the current one from now on.

    Raises:
        PipelineError: there is no checkout.
    """
    here = Path.cwd()
    root = checkout_around(here)
    if root is None:
        raise PipelineError(
            f"{here}: no checkout of this project, expected {' and '.join(MARKS)} here or in a "
            "folder above; go to your clone (cd) and call this again"
        )
    os.chdir(root)
    return root


def checkout_around(folder: Path) -> Path | None:
    """The nearest folder with a graph and its params: this one, or one above it."""
    folders = (folder, *folder.parents)
    return next((one for one in folders if all((one / mark).is_file() for mark in MARKS)), None)


def run_its_code(words: Sequence[str]) -> None:
    """Start over with the code of the checkout around, if this is that of another place.

    A command does what the stages of its checkout would do, whichever clone it was installed from.

    Args:
        words: the command line, without the program's name.
    """
    root = checkout_around(Path.cwd())
    if root is None or is_own_code(root):
        return
    paths = f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep)
    command = [sys.executable, "-P", "-m", "pipeline.commands.cli", *words]
    os.execve(sys.executable, command, os.environ | {"PYTHONPATH": paths})
