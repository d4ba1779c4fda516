"""Pretrained weights: published ones, a file of them, or a checkpoint of this project."""

import logging
import re
from pathlib import Path

import torch

from pipeline.errors import ArtifactError
from pipeline.networks.backbones.timm_backbone import TIMM, timm_state, timm_weights
from pipeline.networks.backbones.torchvision_backbone import TORCHVISION
from pipeline.networks.backbones.torchvision_models import models
from pipeline.networks.backbones.xrv_package import read_xrv
from pipeline.networks.backbones.zoo import CASCADE
from pipeline.networks.branch import BranchSpec
from pipeline.networks.carried_weights import carried_weights, is_carried
from pipeline.networks.weight_files import State, check_file, read_state
from pipeline.networks.weights import Weights

log = logging.getLogger(__name__)

_DIGEST = "@sha256:"
_XRV = "xrv:"


def read_weights(source: str, spec: BranchSpec) -> Weights | None:
    """The pretrained weights that params.yaml names for a branch.

    Args:
        source: "none"; "imagenet", what the backbone's publisher offers (torchvision's or timm's
            own file, from its cache or downloaded); "xrv:<name>", a network that
            torchxrayvision publishes; or a path, behind which `@sha256:<digest>` may say what the
            file must be.
        spec: of the branch; of a cascade the weights are the backbone's.

    Raises:
        ArtifactError: the file is missing, is another one, cannot be fetched or read safely, or
            is of this project but not of a branch.
    """
    if source == "none":
        return None
    if source == "imagenet":
        return Weights(_published(spec), about=None)
    if source.startswith(_XRV):
        return _xrv(source.removeprefix(_XRV), spec)
    path, named, digest = source.partition(_DIGEST)
    if named and not re.fullmatch(r"[0-9a-fA-F]{8,64}", digest):
        raise ArtifactError(f"{source}: expected 8 to 64 hexadecimal digits behind {_DIGEST}")
    state, about = read_state(Path(path), digest=digest)
    if about is not None and "backbone" not in about:
        raise ArtifactError(
            f"{path}: is of this project, but not of a branch; expected global.safetensors or "
            "local.safetensors of a member"
        )
    return Weights(state, about)


def _published(spec: BranchSpec) -> State:
    name = spec.backbone.removesuffix(CASCADE)
    if name.startswith(TIMM):
        return _timm(name.removeprefix(TIMM), spec.input_size)
    return _torchvision(name)


def _timm(name: str, input_size: int) -> State:
    if is_carried(name):
        return carried_weights(name, like=timm_state(name))
    return timm_weights(name, input_size=input_size)


def _xrv(name: str, spec: BranchSpec) -> Weights:
    found, size = read_xrv(name), spec.input_size
    check_file(found.path, "")
    if found.side != size:
        log.info("  trained on images of %d pixels a side; here they have %d", found.side, size)
    return Weights(found.state, about=None, outputs=found.outputs)


def _torchvision(backbone: str) -> State:
    try:
        found = models.get_model_weights(TORCHVISION.get(backbone, backbone))
    except ValueError:
        raise ArtifactError(
            f"there are no ImageNet weights for {backbone}; say none, or the path of a file"
        ) from None
    address = found["IMAGENET1K_V1"].url
    cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(address).name
    digest = cache.stem.rpartition("-")[2]  # torchvision's names end in their file's SHA-256
    if not cache.is_file():
        cache.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(cache), digest, progress=False)
        except (OSError, RuntimeError) as error:
            raise ArtifactError(
                f"ImageNet weights of {backbone} could not be fetched ({error}); put {cache.name} "
                f"into {cache.parent}, or name its path in params.yaml"
            ) from None
    return read_state(cache, digest=digest)[0]
