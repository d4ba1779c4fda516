"""Pretrained weights: published ones, a file of them, or a checkpoint of this project."""

from pathlib import Path

import torch
import torchvision

from pipeline.artifacts.weight_files import State, read_state
from pipeline.errors import ArtifactError
from pipeline.networks.timm_backbone import TIMM, timm_weights
from pipeline.networks.torchvision_backbone import TORCHVISION
from pipeline.networks.weights import Weights
from pipeline.networks.zoo import CASCADE

_DIGEST = "@sha256:"


def read_weights(source: str, backbone: str) -> Weights | None:
    """The pretrained weights that params.yaml names for a branch with `backbone`.

    Args:
        source: "none"; "imagenet", what the backbone's publisher offers (torchvision's or timm's
            own file, from its cache or downloaded); or a path, behind which `@sha256:<digest>`
            may say what the file must be.
        backbone: name of the branch's backbone; of a cascade the weights are the backbone's.

    Raises:
        ArtifactError: the file is missing, is another one, cannot be fetched or read safely, or
            is of this project but not of a branch.
    """
    if source == "none":
        return None
    base = backbone.removesuffix(CASCADE)
    if source == "imagenet":
        return Weights(_timm(base) if base.startswith(TIMM) else _torchvision(base), about=None)
    path, _, digest = source.partition(_DIGEST)
    state, about = read_state(Path(path), digest=digest)
    if about is not None and "backbone" not in about:
        raise ArtifactError(
            f"{path}: is of this project, but not of a branch; expected global.safetensors or "
            "local.safetensors of a member"
        )
    return Weights(state, about)


def _torchvision(backbone: str) -> State:
    try:
        found = torchvision.models.get_model_weights(TORCHVISION.get(backbone, backbone))
    except ValueError:
        raise ArtifactError(
            f"there are no ImageNet weights for {backbone}; say none, or the path of a file"
        ) from None
    weights = found["IMAGENET1K_V1"]
    cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True))
    except OSError as error:
        raise ArtifactError(
            f"ImageNet weights of {backbone} could not be fetched ({error}); put {cache.name} "
            f"into {cache.parent}, or name its path in params.yaml"
        ) from None


def _timm(backbone: str) -> State:
    name = backbone.removeprefix(TIMM)
    try:
        return timm_weights(name)
    except (OSError, RuntimeError) as error:
        raise ArtifactError(
            f"the weights of {backbone} could not be fetched ({_first_line(error)}); save "
            f"`timm.create_model({name!r}, pretrained=True).state_dict()` where there is a "
            "network, and name the file's path in params.yaml"
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
