"""Which outputs DVC has recorded: what dvc.lock says of them, against what a stage wrote."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.base.files import read_json, write_json
from pipeline.base.lock_file import read_locked
from pipeline.errors import ArtifactError


class Record(NamedTuple):
    """Of one output, in dvc.lock."""

    digest: str
    """MD5 of the file, by which DVC knows it."""
    stage: str
    """MD5 of the whole entry of its stage: command, dependencies, params and outputs."""


Records = Mapping[str, Record]
"""By the outputs' paths, as dvc.yaml spells them."""


def write_digests(outputs: Iterable[Path], note: Path, *, lock: Path) -> None:
    """Note what a stage has written, and what dvc.lock said of its outputs until now.

    Args:
        outputs: files and folders, as dvc.yaml spells their paths.
        note: where.
        lock: dvc.lock. It may have the very outputs already, of an earlier run that came to the
            same: that is no record of this run.
    """
    records = read_records(lock)
    written = {str(path): _md5(path) for path in outputs}
    write_json(
        {
            "outputs": written,
            "before": {
                path: records[path].stage
                for path, digest in written.items()
                if path in records and records[path].digest == digest
            },
        },
        note,
    )


def read_records(lock: Path) -> Records:
    """Those of dvc.lock; none where there is no such file, or half of one."""
    try:
        stages = read_locked(lock)
    except ArtifactError:
        return {}
    return {
        out["path"]: Record(out["md5"], _md5_of(repr(entry).encode()))
        for entry in stages.values()
        for out in entry.get("outs", [])
        if "md5" in out
    }


def is_recorded(note: Path, records: Records) -> bool:
    """Whether dvc.lock has the very outputs of a note of `write_digests`, since it was written."""
    try:
        noted = read_json(note)
        written, before = noted["outputs"], noted["before"]
    except (ArtifactError, KeyError):
        return False
    return all(
        path in records
        and records[path].digest == digest
        and records[path].stage != before.get(path)
        for path, digest in written.items()
    )


def _md5(path: Path) -> str:
    """As DVC has it: of a folder, that of a list of its files."""
    if not path.is_dir():
        return _md5_of(path.read_bytes())
    files = sorted(one for one in path.rglob("*") if one.is_file())
    names = {one.relative_to(path).as_posix(): _md5(one) for one in files}
    listed = [{"md5": names[name], "relpath": name} for name in sorted(names)]
    return f"{_md5_of(json.dumps(listed).encode())}.dir"


def _md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
