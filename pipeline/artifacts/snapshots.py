"""Snapshots: where a training stands after an epoch, so that a killed one goes on from there.

They are no outputs of a stage, which DVC deletes before it runs one: they lie in `.ckpt/` of the
main checkout, under a key of everything that decides on the training, and go when it is done.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from pipeline.artifacts.files import replacing

log = logging.getLogger(__name__)

State = dict[str, Any]
"""Tensors, numbers and words, in dicts and lists."""

MAX_AGE_DAYS = 30.0
"""Snapshots of trainings that nobody went on with are removed after this."""


def _nothing(run: str, epoch: int) -> None: ...


class Snapshots:
    """Those of one stage and member.

    Args:
        name: of the stage and the member: "train_global/model".
        about: what decides on the training, beside what a key is asked for later: params.
        run: under which name the stage's run is tracked.
        resumed: told the run's name and its last epoch when a training goes on.
    """

    def __init__(
        self,
        name: str,
        *about: object,
        run: str = "",
        resumed: Callable[[str, int], None] = _nothing,
    ) -> None:
        root = Path(os.environ.get("DVC_ROOT") or Path.cwd())
        self._folder = root / ".ckpt" / name
        self._about = (*map(repr, about), torch.__version__, _code_digest())
        self._run = run
        self._resumed = resumed
        self._path: Path | None = None

    def load(self, *inputs: str) -> State | None:
        """Where the training with these inputs stands, or None if it has not begun.

        Later snapshots are saved under the same inputs.
        """
        key = blake2b(repr((self._about, inputs)).encode(), digest_size=16).hexdigest()
        self._path = self._folder / f"{key}.pt"
        _sweep(self._folder)
        if not self._path.exists():
            return None
        try:
            kept: State = torch.load(self._path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, UnpicklingError, EOFError) as error:
            log.warning("warning: %s cannot be read (%s): begins anew", self._path, error)
            return None
        log.info("goes on behind epoch %d, where an earlier run was stopped", kept["epoch"])
        self._run = kept["run"] or self._run
        self._resumed(kept["run"], kept["epoch"])
        state: State = kept["state"]
        return state

    def save(self, state: State, *, epoch: int) -> None:
        """Keep `state` in place of the one before: whole, or not at all."""
        if self._path is None:
            raise ValueError("nothing was asked for yet: a snapshot has no key")
        with replacing(self._path) as fresh, fresh.open("wb") as file:
            torch.save({"state": state, "epoch": epoch, "run": self._run}, file)
            file.flush()
            os.fsync(file.fileno())

    def clear(self) -> None:
        """The stage has written all that it is for: nothing is left to go on with."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _code_digest() -> str:
    """Of every file of this project that runs: other code is another training."""
    root = Path(__file__).parents[2]
    files = {Path(file) for module in list(sys.modules.values()) if (file := _file_of(module))}
    ours = sorted(file for file in files if file.is_relative_to(root / "pipeline"))
    return blake2b(b"".join(file.read_bytes() for file in ours)).hexdigest()


def _file_of(module: object) -> str | None:
    return getattr(module, "__file__", None)


def _sweep(folder: Path) -> None:
    """Remove what is too old to be gone on with."""
    oldest = time.time() - MAX_AGE_DAYS * 86400
    for path in folder.glob("*.pt"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
