"""What a stage depends on, noted at its start and looked at again at its end.

DVC hashes params, code and inputs when a stage *ends*: what was edited while it ran would be
recorded for a result of what was there before, and `dvc repro` would call it up to date.
"""

import os
import time
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.base.files import read_yaml
from pipeline.base.listing import listed
from pipeline.errors import ArtifactError, StageError
from pipeline.guard.declared import Declared
from pipeline.tracking.origin import flatten


class Notes(NamedTuple):
    """Entries that are alike stand for what is alike; what is not there has none."""

    params: dict[str, str]
    """Values of the leaves that the stage declares, by dotted names."""
    code: dict[str, str]
    """Digests of the files that it declares."""
    inputs: dict[str, tuple[int, int, int]]
    """Size, time and inode of each file that it reads: content would take minutes to hash."""


def take_notes(declared: Declared, *, inputs: Iterable[Path], params: Path) -> Notes:
    """Note what a stage depends on, as it is now.

    Args:
        declared: which code and params.
        inputs: files and folders that it reads.
        params: the params file.
    """
    return Notes(
        _values(params, declared.params),
        {str(path): _digest(path) for path in _code_files(declared)},
        {name: found for path in inputs for name, found in _stats(path)},
    )


def expect_unchanged(stage: str, before: Notes, after: Notes) -> None:
    """Make sure that a stage's outputs follow from what DVC is about to record.

    Raises:
        StageError: something changed meanwhile; names it.
    """
    changes = [*_changed_params(before.params, after.params)]
    changes += [*_changes(before.code, after.code), *_changes(before.inputs, after.inputs)]
    if changes:
        raise StageError(
            f"{stage}: changed while it ran: {listed(changes)}; its outputs follow from what was "
            "there before, so it fails and DVC records nothing; run it again (a training goes on "
            "from its snapshot if the change is none to it)"
        )


def expect_settled(stage: str, declared: Declared, *, since_ns: int) -> None:
    """Make sure that no code was edited while Python read it.

    Args:
        stage: its name.
        declared: of which code.
        since_ns: when Python began to read it.

    Raises:
        StageError: a file is newer; it may have been read before it was written, or after.
    """
    now = time.time_ns()  # a file from the future was written when a clock was wrong
    young = [
        str(path) for path in _code_files(declared) if since_ns < path.stat().st_mtime_ns <= now
    ]
    if young:
        raise StageError(f"{stage}: edited while it started: {listed(young)}; run it again")


def _code_files(declared: Declared) -> Iterator[Path]:
    """The files that a stage declares, and those in the folders: what Python compiles is none."""
    for name in declared.code:
        path = Path(name)
        if path.is_file():
            yield path
        else:
            yield from (
                one
                for one in sorted(path.rglob("*"))
                if one.is_file() and "__pycache__" not in one.parts
            )


def _values(path: Path, keys: Iterable[str]) -> dict[str, str]:
    """A file that cannot be read has no values: to complain of it is the stage's business."""
    try:
        tree = read_yaml(path)
    except (ArtifactError, OSError, ValueError):
        return {}
    flat = flatten(tree)
    return {
        f"{path}: {leaf}": repr(value)
        for leaf, value in flat.items()
        if any(not key or f"{leaf}.".startswith(f"{key}.") for key in keys)
    }


def _digest(path: Path) -> str:
    return blake2b(path.read_bytes(), digest_size=16).hexdigest()


def _stats(path: Path) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Of a file, or of all files in a folder but those that are half written."""
    if path.is_dir():
        with os.scandir(path) as entries:
            for entry in entries:
                if not entry.name.endswith(".partial"):
                    yield from _entry_stats(entry)
    elif path.exists():
        yield str(path), _stat(path.stat())


def _entry_stats(entry: "os.DirEntry[str]") -> Iterator[tuple[str, tuple[int, int, int]]]:
    if entry.is_dir():
        yield from _stats(Path(entry.path))
    elif entry.is_file():  # not a link to nowhere
        yield entry.path, _stat(entry.stat())


def _stat(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ino


def _changed_params(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        was, now = (values.get(name, "not there") for values in (before, after))
        if was != now:
            yield f"{name} (was {was}, now {now})"


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield f"{name} (gone)"
        elif name not in before:
            yield f"{name} (new)"
        elif before[name] != after[name]:
            yield name
