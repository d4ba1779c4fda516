"""Checkpoints: weights as safetensors, what they are as JSON in the header."""

import json
import pickle
from pathlib import Path
from typing import Any

import torch
import torchvision
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

    "imagenet" is torchvision's own file, from its cache or downloaded; anything else is a path.
    Reads safetensors, and PyTorch files without running code that they hold.

    Raises:
        ParamsError: params.yaml names no source for this backbone.
        ArtifactError: the file is missing, cannot be fetched or cannot be read safely.
    """
    source = sources.get(backbone)
    if source is None:
        raise ParamsError(
            f"weights.{backbone}: missing; say none, imagenet or the path of a state dict"
        )
    if source == "none":
        return None
    if source == "imagenet":
        return _imagenet(backbone)
    path = Path(source)
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file (weights.{backbone} in params.yaml)")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (SafetensorError, pickle.UnpicklingError, RuntimeError) as error:
        raise ArtifactError(f"{path}: not a readable state dict ({error})") from None


def _imagenet(backbone: str) -> dict[str, Tensor]:
    weights = torchvision.models.get_model_weights(backbone)["IMAGENET1K_V1"]
    cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True))
    except OSError as error:
        raise ArtifactError(
            f"weights.{backbone}: imagenet could not be fetched ({error}); put {cache.name} into "
            f"{cache.parent}, or name its path in params.yaml"
        ) from None
