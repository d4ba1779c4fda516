"""Checkpoints: weights as safetensors, what they are as JSON in the header."""

import json
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.artifacts.files import replacing
from pipeline.errors import ArtifactError, ParamsError

_KEY = "checkpoint"  # one key only: safetensors does not keep the order of several


def write_checkpoint(weights: dict[str, Tensor], about: dict[str, Any], path: Path) -> None:
    """Write weights and a JSON-able description (backbone, findings, params, ...)."""
    weights = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    header = {_KEY: json.dumps(about, sort_keys=True)}
    with replacing(path) as fresh:
        save_file(weights, fresh, metadata=header)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights on the CPU and their description.

    Raises:
        ArtifactError: no such file, not safetensors, or not one of this project's.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file") from None
    except SafetensorError as error:
        raise ArtifactError(f"{path}: not a safetensors file ({error})") from None
    if _KEY not in header:
        raise ArtifactError(
            f"{path}: has no {_KEY!r} entry in its header; not made by this project"
        )
    return weights, json.loads(header[_KEY])


def read_weights(sources: dict[str, str], backbone: str) -> dict[str, Tensor] | None:
    """The pretrained state dict that params.yaml names for `backbone`, or None for "none".

    Reads safetensors, and PyTorch files without running code that they hold.

    Raises:
        ParamsError: params.yaml names no source for this backbone.
        ArtifactError: the file is missing or cannot be read safely.
    """
    if backbone not in sources:
        raise ParamsError(f"weights.{backbone}: missing; name a file, or none for random weights")
    if sources[backbone] == "none":
        return None
    path = Path(sources[backbone])
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file (weights.{backbone} in params.yaml)")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (SafetensorError, pickle.UnpicklingError, RuntimeError) as error:
        raise ArtifactError(f"{path}: not a readable state dict ({error})") from None
