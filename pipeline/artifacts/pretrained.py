"""Pretrained weights: torchvision's own files, or a path."""

import pickle
from pathlib import Path

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline.errors import ArtifactError, ParamsError


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
