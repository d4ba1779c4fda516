"""What a checkpoint is, from its header alone; torch need not be loaded."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from pipeline.errors import ArtifactError

KEY = "checkpoint"  # one key only: safetensors does not keep the order of several


def read_about(path: Path) -> dict[str, Any]:
    """The description in a checkpoint's header.

    Raises:
        ArtifactError: no such file, not safetensors, or not one of this project's.
    """
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file") from None
    except SafetensorError as error:
        raise ArtifactError(f"{path}: not a safetensors file ({error})") from None
    return described(header, path)


def described(header: dict[str, str], path: Path) -> dict[str, Any]:
    """The description in `header`.

    Raises:
        ArtifactError: it has none, or one that is damaged.
    """
    if not is_checkpoint(header):
        raise ArtifactError(
            f"{path}: has no {KEY!r} entry in its header; not made by this project"
        )
    try:
        about: dict[str, Any] = json.loads(header[KEY])
    except json.JSONDecodeError as error:
        raise ArtifactError(f"{path}: its description is not JSON ({error}); damaged") from None
    return about


def is_checkpoint(header: dict[str, str] | None) -> bool:
    """Whether a safetensors file with this header is one of this project's."""
    return KEY in (header or {})
