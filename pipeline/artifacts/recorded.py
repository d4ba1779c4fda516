"""Which outputs DVC has recorded: what dvc.lock says of them, against what a stage wrote."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.artifacts.files import read_json, write_json
from pipeline.artifacts.lock_file import read_locked
from pipeline.errors import ArtifactError

Digests = dict[str, str]
"""MD5 of files, by which DVC knows them, by their paths as dvc.yaml spells them."""


def write_digests(outputs: Iterable[Path], note: Path) -> None:
    """Note what a stage has written."""
    write_json({str(path): _md5(path) for path in outputs}, note)


def recorded_digests(lock: Path) -> Digests:
    """Those of dvc.lock; none where there is no such file, or half of one."""
    try:
        stages = read_locked(lock)
    except ArtifactError:
        return {}
    outs = [out for one in stages.values() for out in one.get("outs", [])]
    return {out["path"]: out["md5"] for out in outs if "md5" in out}


def is_recorded(note: Path, recorded: Mapping[str, str]) -> bool:
    """Whether dvc.lock has the very outputs of a note of `write_digests`."""
    try:
        written = read_json(note)
    except ArtifactError:
        return False
    return all(recorded.get(path) == digest for path, digest in written.items())


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
