"""Files of weights that come from outside, or from another run: safetensors or PyTorch's own."""

import hashlib
import logging
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipeline.artifacts.checkpoints import is_checkpoint, read_checkpoint
from pipeline.errors import ArtifactError

log = logging.getLogger(__name__)

State = dict[str, Tensor]


def read_state(path: Path, *, digest: str) -> tuple[State, dict[str, Any] | None]:
    """A state dict on the CPU, read without running code that the file may hold.

    Args:
        path: safetensors by its suffix, else what `torch.save` wrote; a state dict may lie in a
            training checkpoint's "state_dict".
        digest: how the file's SHA-256 must begin.

    Returns:
        The state dict, and the description of a checkpoint of this project (None for others).

    Raises:
        ArtifactError: no such file, another one, or none that can be read safely.
    """
    path = path.expanduser()
    if not path.is_file():
        raise ArtifactError(
            f"{path}: no such file; params.yaml names it as weights. It may also say none or "
            "imagenet"
        )
    _check(path, digest)
    try:
        if path.suffix == ".safetensors":
            return _safetensors(path)
        with warnings.catch_warnings():  # of pickles that it refuses anyway
            warnings.simplefilter("ignore", UserWarning)
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ArtifactError(
            f"{path}: not a readable state dict: it is none of PyTorch's files, or holds code, as "
            "a whole model does, which is not run; save `model.state_dict()`"
        ) from None
    except (SafetensorError, RuntimeError, LookupError, EOFError) as error:
        reason = str(error).partition("\n")[0] or "it is empty"
        raise ArtifactError(f"{path}: not a readable state dict ({reason})") from None
    inner = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(inner, dict) or not all(isinstance(v, Tensor) for v in inner.values()):
        raise ArtifactError(
            f"{path}: holds a {type(loaded).__name__}, expected a state dict of tensors alone; "
            "save `model.state_dict()`"
        )
    return dict(inner), None


def _check(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    log.info("weights: %s, sha256 %s", path, found)
    if not found.startswith(expected.lower()):
        raise ArtifactError(
            f"{path}: is another file than params.yaml means: its SHA-256 is {found}, expected "
            f"{expected}"
        )


def _safetensors(path: Path) -> tuple[State, dict[str, Any] | None]:
    with safe_open(path, framework="pt") as file:
        if is_checkpoint(file.metadata()):
            return read_checkpoint(path)
        return {key: file.get_tensor(key) for key in file.keys()}, None  # noqa: SIM118
