"""Whole or not at all: outputs are written beside their place and renamed."""

import errno
import glob
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from pipeline.errors import ArtifactError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A fresh path beside `path` that takes its place if the block succeeds.

    The block may write a file or make a folder there. When it fails, what it left is removed
    and whatever stood at `path` before is untouched. What a killed process left is removed by
    the next one.

    Raises:
        OSError: there is no room for what the block writes; names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.partial")
    remove_left_over(path.parent, glob.escape(path.name))
    try:
        yield fresh
        if fresh.is_dir():
            _remove(path)
        fresh.replace(path)
    except OSError as error:
        if _is_without_room(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise
    finally:
        _remove(fresh)


def _is_without_room(error: OSError) -> bool:
    """Whether a disk is full, which NumPy and others say in words of their own."""
    words = r"\d+ requested and \d+ written|wrote \d+ of \d+ bytes"
    return error.errno == errno.ENOSPC or re.search(words, str(error)) is not None


def remove_left_over(folder: Path, name: str = "*") -> None:
    """Remove what killed processes had half written in `folder`, under names like `name`."""
    for left in folder.glob(f".{name}.*.partial"):
        if _is_left_over(left):
            _remove(left)


def _is_left_over(partial: Path) -> bool:
    """Whether a `.<name>.<process id>.partial` is this process's own or a dead one's."""
    process = partial.name.split(".")[-2]
    if not process.isdigit():
        return False
    return int(process) == os.getpid() or not psutil.pid_exists(int(process))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(value: Any, path: Path) -> None:
    """Write `value` as JSON with sorted keys; NaN and infinity are refused."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"
    with replacing(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """What `write_json` wrote.

    Raises:
        ArtifactError: the file is missing or is not JSON.
    """
    return _parsed(path, json.loads, json.JSONDecodeError)


def read_yaml(path: Path) -> Any:
    """A YAML file that another tool has written.

    Raises:
        ArtifactError: the file is missing or is not YAML.
    """
    return _parsed(path, _load_yaml, yaml.YAMLError)


def _load_yaml(text: str) -> Any:
    """As `yaml.safe_load`, by libyaml where there is one: eight times as fast."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _parsed(path: Path, parse: Callable[[str], Any], fault: type[Exception]) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file; `dvc repro` writes it") from None
    except (fault, UnicodeDecodeError) as error:
        kind = "JSON" if path.suffix == ".json" else "YAML"
        raise ArtifactError(f"{path}: not {kind} ({error})") from None


def write_text(text: str, path: Path) -> None:
    """Write `text` as UTF-8."""
    with replacing(path) as fresh:
        fresh.write_text(text, encoding="utf-8")
