"""Pretrained weights: torchvision's own files, or a path."""

import hashlib
import logging
import pickle
from pathlib import Path

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline.errors import ArtifactError

log = logging.getLogger(__name__)


def read_weights(source: str, backbone: str) -> dict[str, Tensor] | None:
    """The pretrained state dict that params.yaml names as `source`, or None for "none".

    "imagenet" is torchvision's own file, from its cache or downloaded; anything else is a path.
    Reads safetensors, and PyTorch files without running code that they hold.

    Raises:
        ArtifactError: the file is missing, cannot be fetched or cannot be read safely.
    """
    if source == "none":
        return None
    if source == "imagenet":
        return _imagenet(backbone)
    path = Path(source)
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file (named in params.yaml for {backbone})")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    log.info("weights of %s: %s, sha256 %s", backbone, path, digest)
    return _state_dict(path)


def _state_dict(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, LookupError, EOFError) as error:
        raise ArtifactError(f"{path}: not a readable state dict ({error!r})") from None
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise ArtifactError(
            f"{path}: holds a {type(loaded).__name__}, expected a state dict of tensors alone; "
            "save `model.state_dict()`, or its part `checkpoint['state_dict']`"
        )
    return dict(loaded)


def _imagenet(backbone: str) -> dict[str, Tensor]:
    weights = torchvision.models.get_model_weights(backbone)["IMAGENET1K_V1"]
    cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True))
    except OSError as error:
        raise ArtifactError(
            f"imagenet weights of {backbone} could not be fetched ({error}); put {cache.name} "
            f"into {cache.parent}, or name its path in params.yaml"
        ) from None
