"""Snapshots: where a training stands after an epoch, so that a killed one goes on from there.

They are no outputs of a stage, which DVC deletes before it runs one: they lie in `.ckpt/` of the
main checkout, under a key of everything that decides on the training, and go when it is done.
"""

import fcntl
import io
import logging
import os
import sys
import time
from collections.abc import Callable
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import torch

from pipeline.artifacts.files import remove_left_over, replacing

log = logging.getLogger(__name__)

State = dict[str, Any]
"""Tensors, numbers and words, in dicts and lists."""

MAX_AGE_DAYS = 30.0
"""Snapshots of trainings that nobody went on with are removed after this."""

_DIGEST = 32  # bytes at the start of a file, of all that follows

_ELSEWHERE = ("tracking", "params")
"""Packages of this project that cannot change what is trained."""


def _nothing(run: str, epoch: int) -> None: ...


class Snapshots:
    """Those of one stage and member.

    Args:
        name: of the stage and the member: "train_global/model".
        about: what decides on the training, beside what a key is asked for later: params.
        run: under which name the stage's run is tracked.
        resumed: told the run's name and its last epoch when a training goes on.
        root: of the checkout; where DVC says that it is, or here.
    """

    def __init__(
        self,
        name: str,
        *about: object,
        run: str = "",
        resumed: Callable[[str, int], None] = _nothing,
        root: Path | None = None,
    ) -> None:
        root = root or Path(os.environ.get("DVC_ROOT") or Path.cwd())
        self._folder = root / ".ckpt" / name
        self._about = (*map(repr, about), _code_digest())
        self._run = run
        self._resumed = resumed
        self._path: Path | None = None
        self._lock: IO[bytes] | None = None

    def load(self, *inputs: str) -> State | None:
        """Where the training with these inputs stands, or None if it has not begun.

        Later snapshots are saved under the same inputs, unless another living process trains
        the very same: then this one begins anew and leaves none.
        """
        key = blake2b(repr((self._about, inputs)).encode(), digest_size=16).hexdigest()
        path = self._folder / f"{key}.pt"
        _sweep(self._folder, spared=path)
        self._lock = _locked(path.with_suffix(".lock"))
        if self._lock is None:
            log.warning("another process is at the same training: this one leaves no snapshots")
            return None
        self._path = path
        return self._read(path) if path.exists() else None

    def _read(self, path: Path) -> State | None:
        whole = path.read_bytes()
        digest, content = whole[:_DIGEST], whole[_DIGEST:]
        if digest != _digest(content):
            log.warning("warning: %s is damaged: begins anew", path)
            return None
        kept = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        log.info("goes on behind epoch %d of a run that was stopped (%s)", kept["epoch"], path)
        self._run = kept["run"] or self._run
        self._resumed(kept["run"], kept["epoch"])
        state: State = kept["state"]
        return state

    def save(self, state: State, *, epoch: int) -> None:
        """Keep `state` in place of the one before: whole, or not at all."""
        if self._path is None:
            return
        # In memory first: `torch.save` to a file hides a full disk and a Ctrl-C.
        content = io.BytesIO()
        torch.save({"state": state, "epoch": epoch, "run": self._run}, content)
        with replacing(self._path) as fresh, fresh.open("wb") as file:
            file.write(_digest(content.getbuffer()))
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())

    def clear(self) -> None:
        """The stage has written all that it is for: nothing is left to go on with."""
        if self._path is not None and self._lock is not None:
            self._path.unlink(missing_ok=True)
            self._path.with_suffix(".lock").unlink(missing_ok=True)
            self._lock.close()


def _digest(content: bytes | memoryview) -> bytes:
    return blake2b(content, digest_size=_DIGEST).digest()


def _locked(path: Path) -> IO[bytes] | None:
    """The file, held until this process ends or closes it; None if another one holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _code_digest() -> str:
    """Of all that this project runs, and what it computes with: other code trains otherwise."""
    root = Path(__file__).parents[1]
    files = {Path(file) for module in list(sys.modules.values()) if (file := _file_of(module))}
    ours = {
        file.relative_to(root)
        for file in files
        if file.is_relative_to(root) and file.relative_to(root).parts[0] not in _ELSEWHERE
    }
    found = blake2b(repr([version(name) for name in ("torch", "torchvision", "numpy")]).encode())
    for name in sorted(ours):
        found.update(f"{name}\n".encode() + (root / name).read_bytes())
    return found.hexdigest()


def _file_of(module: object) -> str | None:
    return getattr(module, "__file__", None)


def _sweep(folder: Path, *, spared: Path) -> None:
    """Remove what is too old to be gone on with, or half written."""
    remove_left_over(folder)
    oldest = time.time() - MAX_AGE_DAYS * 86400
    for path in [*folder.glob("*.pt"), *folder.glob("*.lock")]:
        if path.stem != spared.stem and path.stat().st_mtime < oldest:
            log.info("removes %s, with which nobody went on for %d days", path, MAX_AGE_DAYS)
            path.unlink(missing_ok=True)
