"""One file per stage in which it says what happened; it outlives the stage, even a killed one.

A spool is `<id>.jsonl`, one record per line, and `<id>.files/`, the artifacts as they were when
the stage logged them. The stage holds a lock on its spool for as long as it lives: a spool that
is free and has no last record belongs to a stage that was killed.
"""

import errno
import fcntl
import json
import os
import secrets
import shutil
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

Record = dict[str, Any]

MS_PER_MINUTE = 60_000

_HIDDEN = ".new"

_HELD_WITHIN_S = 60
"""A file that is free for so long is nobody's: who makes one holds it at once."""

PAUSED = "paused_minutes"
"""Metric of a stage that was stopped and went on: from its start to its end, not spent running."""


class Spool:
    """The stage's end: append records, add files, close."""

    def __init__(self, folder: Path, name: str, opening: Record) -> None:
        ensure_folder(folder)
        self.path = folder / f"{time.time_ns()}-{name}-{secrets.token_hex(3)}.jsonl"
        # Named only once it is locked and has its first record: no reader sees it half made.
        hidden = self.path.with_suffix(_HIDDEN)
        self._file: IO[bytes] = hidden.open("ab", buffering=0)
        weakref.finalize(self, self._file.close)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.append(opening)
        hidden.rename(self.path)

    def append(self, record: Record) -> None:
        """Add one record; a line is written whole, so a reader never sees half of one.

        Raises:
            OSError: There is no room for it; the spool is as it was.
        """
        stamped = {"time_ms": time.time_ns() // 1_000_000} | record
        line, before = json.dumps(stamped).encode() + b"\n", self._file.seek(0, os.SEEK_END)
        try:
            written = self._file.write(line)
        except OSError:
            self._file.truncate(before)
            raise
        if written < len(line):
            self._file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def add(self, path: Path) -> str:
        """Keep a copy of a file or folder; returns its name within the spool's files."""
        files = files_of(self.path)
        files.mkdir(exist_ok=True)
        copy = files / path.name
        try:
            if path.is_dir():
                shutil.copytree(path, copy, dirs_exist_ok=True)
            else:
                shutil.copyfile(path, copy)
        except OSError:  # no room: half a copy is none, and takes of what there is
            _delete(copy)
            raise
        return path.name

    def close(self) -> None:
        """Let go of the lock: nothing more is coming."""
        self._file.close()


class Reader:
    """The writer process's end: records in order, each until it is acknowledged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def records(self) -> Iterator[Record]:
        """Records not yet acknowledged; one counts as such when the next is asked for."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                with suppress(json.JSONDecodeError):  # a machine that went down as it wrote
                    yield json.loads(line)
                self._offset += len(line)

    def is_abandoned(self) -> bool:
        """Whether no living stage holds the spool."""
        with exclusive(self.path, mode="rb") as free:
            return free

    def rewrite(self, records: list[Record]) -> None:
        """Keep these alone, all acknowledged, and the files that they speak of."""
        lines = b"".join(json.dumps(record).encode() + b"\n" for record in records)
        hidden = self.path.with_suffix(_HIDDEN)
        hidden.write_bytes(lines)
        hidden.replace(self.path)
        self._offset = len(lines)
        kept = {record.get("path") for record in records}
        for file in files_of(self.path).iterdir():
            if file.name not in kept:
                _delete(file)

    def remove(self) -> None:
        """Delete the spool and its files."""
        shutil.rmtree(files_of(self.path), ignore_errors=True)
        self.path.unlink(missing_ok=True)


def spools(folder: Path) -> list[Path]:
    """Spools in `folder`, oldest first."""
    return sorted(folder.glob("*.jsonl"))


def sweep(folder: Path) -> None:
    """Remove what a stage or a writer that was killed had not yet made a spool of."""
    for hidden in folder.glob(f"*{_HIDDEN}"):
        with suppress(FileNotFoundError), exclusive(hidden, mode="rb") as free:
            if free and time.time() - hidden.stat().st_mtime > _HELD_WITHIN_S:
                hidden.unlink()


def files_of(spool: Path) -> Path:
    """Where the artifacts of a spool are kept."""
    return spool.with_suffix(".files")


def size_mb(folder: Path) -> float:
    """What the files below a folder take, in MB of 1e6 bytes; one that goes meanwhile, nothing."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += file.stat().st_size
    return total / 1e6


def waiting(folder: Path) -> str:
    """`3 reports (12.5 MB) wait`."""
    count = len(spools(folder))
    noun, verb = ("report", "waits") if count == 1 else ("reports", "wait")
    return f"{count} {noun} ({size_mb(folder):.1f} MB) {verb}"


def ensure_folder(folder: Path) -> None:
    """Make the spools' folder, invisible to git."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def exclusive(path: Path, *, mode: str = "ab", wait: bool = False) -> Iterator[bool]:
    """Hold a lock on the file at `path`; yields whether it was to be had."""
    with path.open(mode) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def wait_until_written(folder: Path, *, timeout_s: float) -> bool:
    """Wait until no spool is left; whether that came about in time."""
    until = time.monotonic() + timeout_s
    while spools(folder) and time.monotonic() < until:
        time.sleep(0.05)
    return not spools(folder)
