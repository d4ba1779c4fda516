"""Snapshots: where a training stands after an epoch, so that a killed one goes on from there.

They are no outputs of a stage, which DVC deletes before it runs one: they lie in `.ckpt/` of the
main checkout, under a key of everything that decides on the training. The last one stays when the
stage has ended, since DVC may fail to record it, and goes when that is known to be done or another
training of the same name begins.
"""

import fcntl
import io
import logging
import os
import sys
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import torch

import pipeline
from pipeline.base.files import remove_left_over, replacing
from pipeline.training.records.recorded import Records, is_recorded, read_records, write_digests

log = logging.getLogger(__name__)

State = dict[str, Any]
"""Tensors, numbers and words, in dicts and lists."""

MAX_AGE_DAYS = 30.0
"""Snapshots of trainings that nobody went on with are removed after this."""

_LOCK = Path("dvc.lock")
"""Of the folder that a stage runs in: an experiment in a folder of its own has its own."""

_DIGEST = 32  # bytes at the start of a file, of all that follows

_ELSEWHERE = ("tracking/", "params/", "guard/", "errors.py", "base/listing.py")
"""What of this project cannot change what is trained."""


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
        self._all = root / ".ckpt"
        self._folder = self._all / name
        self._about = (*map(repr, about), _code_digest())
        self._run = run
        self._resumed = resumed
        self._path: Path | None = None
        self._lock: IO[bytes] | None = None

    def load(self, *inputs: str) -> State | None:
        """Where the training with these inputs stands, or None if it has not begun.

        One that DVC has recorded, and runs again for `dvc repro --force`, begins anew. Later
        snapshots are saved under the same inputs, unless another living process trains the very
        same: then this one begins anew and leaves none.
        """
        key = blake2b(repr((self._about, inputs)).encode(), digest_size=16).hexdigest()
        path = self._folder / f"{key}.pt"
        _sweep(self._all, wanted=path)
        self._lock = _locked(path.with_suffix(".lock"))
        if self._lock is None:
            log.warning("another process is at the same training: this one leaves no snapshots")
            return None
        weakref.finalize(self, self._lock.close)
        self._path = path
        return self._read(path) if path.exists() else None

    def _read(self, path: Path) -> State | None:
        whole = path.read_bytes()
        digest, content = whole[:_DIGEST], whole[_DIGEST:]
        if digest != _digest(content):
            log.warning("warning: %s is damaged: begins anew", path)
            return None
        kept = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        how = "that had ended unrecorded" if _note(path).exists() else "that was stopped"
        log.info("goes on behind epoch %d of a run %s (%s)", kept["epoch"], how, path)
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

    def finish(self, *outputs: Path) -> None:
        """The stage has written its outputs: the last snapshot is kept until DVC has them.

        Args:
            outputs: files, as dvc.yaml spells their paths, that follow from the training.
        """
        if self._path is not None:
            write_digests(outputs, _note(self._path), lock=_LOCK)


def _digest(content: bytes | memoryview) -> bytes:
    return blake2b(content, digest_size=_DIGEST).digest()


def _note(path: Path) -> Path:
    """What a stage wrote that has finished with a snapshot; not there before."""
    return path.with_suffix(".json")


def _locked(path: Path) -> IO[bytes] | None:
    """The file, held until this process ends or closes it; None if another one holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return file
        file.close()  # who held it before has removed it


def _code_digest() -> str:
    """Of all that this project runs, and what it computes with: other code trains otherwise."""
    root = Path(pipeline.__path__[0])
    inside = f"{pipeline.__path__[0].rstrip(os.sep)}{os.sep}"  # a text: thousands are compared
    loaded = [_file_of(module) for module in list(sys.modules.values())]
    names = {Path(file[len(inside) :]).as_posix() for file in loaded if file.startswith(inside)}
    ours = {name for name in names if not name.startswith(_ELSEWHERE)}
    found = blake2b(repr([version(name) for name in ("torch", "torchvision", "numpy")]).encode())
    for name in sorted(ours):
        found.update(f"{name}\n".encode() + (root / name).read_bytes())
    return found.hexdigest()


def _file_of(module: object) -> str:
    return getattr(module, "__file__", None) or ""


def _sweep(folder: Path, *, wanted: Path) -> None:
    """Remove, of all trainings, what nobody will go on with, unless a living process has it.

    That is what is half written beside `wanted`, recorded or too old, and what had ended before
    `wanted`, another training of its name, begins.
    """
    remove_left_over(wanted.parent)  # elsewhere another machine's process may be writing
    files = [Path(place, name) for place, _, names in os.walk(folder) for name in names]
    recorded = read_records(_LOCK) if any(one.suffix == ".json" for one in files) else {}
    for path in {one.with_suffix(".pt") for one in files if one.suffix == ".lock"}:
        with suppress(FileNotFoundError):  # another training sweeps as well
            if reason := _why_not_kept(path, wanted, recorded):
                _forget(path, reason)


def _why_not_kept(path: Path, wanted: Path, recorded: Records) -> str:
    """Of one training; empty if somebody may go on with it."""
    has_ended = _note(path).exists()
    if has_ended and is_recorded(_note(path), recorded):
        return "DVC has recorded what came of it"
    if path == wanted:
        return ""
    if has_ended and path.parent == wanted.parent:
        return "it had ended, and another training of its name begins"
    newest = path if path.exists() else path.with_suffix(".lock")
    is_old = newest.stat().st_mtime < time.time() - MAX_AGE_DAYS * 86400
    return f"nobody went on with it for {MAX_AGE_DAYS:.0f} days" if is_old else ""


def _forget(path: Path, reason: str) -> None:
    lock = _locked(path.with_suffix(".lock"))
    if lock is not None:
        log.info("removes %s: %s", path, reason)
        for suffix in (".pt", ".json", ".lock"):
            path.with_suffix(suffix).unlink(missing_ok=True)
        remove_left_over(path.parent, path.name)
        lock.close()
