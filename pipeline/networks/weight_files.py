"""Files of weights that come from outside, or from another run: safetensors or PyTorch's own."""

import hashlib
import logging
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipeline.base.broken_files import impostor
from pipeline.base.listing import listed
from pipeline.errors import ArtifactError
from pipeline.networks.checkpoint_headers import is_checkpoint
from pipeline.networks.checkpoints import read_checkpoint

log = logging.getLogger(__name__)

State = dict[str, Tensor]

_DEEPEST = 16
"""Dicts in dicts that are looked into; what is deeper is beside the weights."""


class _Beside:
    """Stands for a number or array of NumPy beside the weights, of which nothing is kept."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


_NUMPY = (
    "numpy.dtype",
    "numpy.ndarray",
    *(
        f"numpy.{core}.multiarray.{name}"
        for core in ("core", "_core")  # of NumPy 1 and 2
        for name in ("scalar", "_reconstruct")
    ),
)
"""What pickles of NumPy's numbers and arrays name. None of it is called: `_Beside` is."""


def read_state(path: Path, *, digest: str) -> tuple[State, dict[str, Any] | None]:
    """A state dict on the CPU, read without running code that the file may hold.

    Args:
        path: safetensors by its suffix, else what `torch.save` wrote: a state dict, or dicts in
            dicts with one. What is no tensor is left out, by name in the log.
        digest: how the file's SHA-256 must begin.

    Returns:
        The tensors, keys of nested dicts joined by dots, and the description of a checkpoint of
        this project (None for others).

    Raises:
        ArtifactError: no such file, another one, or none that can be read safely.
    """
    path = path.expanduser()
    if not path.is_file():
        raise ArtifactError(
            f"{path}: no such file; params.yaml names it as weights. It may also say none, "
            "imagenet or xrv:<name>"
        )
    check_file(path, digest)
    try:
        if path.suffix == ".safetensors":
            return _safetensors(path)
        loaded = _unpickled(path)
    except (SafetensorError, RuntimeError, LookupError, EOFError) as error:
        reason = str(error).partition("\n")[0] or "it is empty"
        raise ArtifactError(f"{path}: not a readable state dict ({reason})") from None
    return _flat(loaded, path), None


def _unpickled(path: Path) -> Any:
    """What `torch.save` wrote, by an unpickler that calls nothing but PyTorch's own functions."""
    stand_ins: list[Any] = [(_Beside, name) for name in _NUMPY]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins):
            warnings.simplefilter("ignore", UserWarning)  # of pickles that it refuses anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        held = f" ({code[1]})" if code else ""
        raise ArtifactError(
            f"{path}: not a readable state dict: it is none of PyTorch's files, or holds "
            f"code{held}, as a whole model does, which is not run; save `model.state_dict()`"
        ) from None


def _flat(loaded: Any, path: Path) -> State:
    """All tensors of nested dicts, by their keys joined with dots."""
    state: State = {}
    others = []
    for name, value in _leaves(loaded, "", _DEEPEST):
        if not isinstance(value, Tensor):
            others.append(name)
        elif name in state:
            raise ArtifactError(f"{path}: names two tensors {name}; save `model.state_dict()`")
        else:
            state[name] = value
    if not state or not isinstance(loaded, Mapping):
        raise ArtifactError(
            f"{path}: holds a {type(loaded).__name__}, expected a state dict of tensors, or a "
            "dict with one; save `model.state_dict()`"
        )
    if others:
        log.info("  left out, being no tensors: %s", listed(others))
    return state


def _leaves(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping) or not depth:
        yield name, value
        return
    for key, inner in value.items():
        yield from _leaves(inner, f"{name}.{key}" if name else str(key), depth - 1)


def check_file(path: Path, expected: str) -> None:
    """Say in the log which file of weights is read.

    Raises:
        ArtifactError: it cannot be one, or its SHA-256 does not begin as `expected`.
    """
    with path.open("rb") as file:
        reason = impostor(file.read(64))
        if reason is not None:
            raise ArtifactError(f"{path}: {reason}")
        file.seek(0)
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
