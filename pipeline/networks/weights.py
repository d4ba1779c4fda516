"""Pretrained weights into a branch: all that it keeps, or an error that says what did not fit."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from pipeline.base.listing import listed
from pipeline.errors import ParamsError
from pipeline.networks.backbones.backbone import Backbone
from pipeline.networks.first_layer import first_layer, fit_channels
from pipeline.networks.published import Published, sort_published
from pipeline.networks.readouts.readout import CapsuleCascade

log = logging.getLogger(__name__)

State = dict[str, Tensor]

_COUNTER = "num_batches_tracked"
"""BatchNorm's step counter, which evaluation never reads; older files lack it."""


@dataclass(frozen=True)
class Weights:
    """Where a branch starts."""

    state: State
    about: Mapping[str, Any] | None
    """The description of the branch of this project that they are of; None for a published
    network's, whose state dict has its publisher's names."""
    outputs: tuple[str, ...] | None = None
    """Of a network of torchxrayvision, what its outputs say, "" where it has learnt nothing; None
    for all others."""


def load_published(
    backbone: Backbone, state: State, *, name: str, scale_known: bool = False
) -> None:
    """Load a published network's weights strictly, apart from its classifier.

    What was loaded, what was left out, what was changed and why is logged.

    Args:
        backbone: whose features are to be loaded.
        state: with the file's names: those of a wrapped or compiled network, or of a dict that
            holds it, included.
        name: the backbone's name in params.yaml.
        scale_known: whether the caller sees to it that grey levels come as they did.

    Raises:
        ParamsError: names missing, unexpected or of another shape, or several networks that fit;
            nothing is loaded then.
    """
    ours = _without(backbone.network.state_dict(), backbone.classifier)
    wanted = {key for key in ours if not key.endswith(_COUNTER)}
    found = sort_published(state, wanted, name=name)
    first = first_layer(backbone.network)
    given = dict(found.state)
    if first in given and _alike_but_for_channels(given[first], ours[first]):
        given[first] = fit_channels(given[first], ours[first].shape[1])
    _load(backbone.network, given, left_out=backbone.classifier, name=name)
    _tell(found)
    if first in given and given[first] is not found.state[first]:
        _tell_channels(found.state[first].shape[1], ours[first].shape[1])
        if not scale_known:
            _warn_of_scale(found.state[first].shape[1])


def _alike_but_for_channels(one: Tensor, other: Tensor) -> bool:
    shapes = (one.shape, other.shape)
    return one.ndim == 4 and len({(*shape[:1], *shape[2:]) for shape in shapes}) == 1


def _tell(found: Published) -> None:
    if found.prefix:
        log.info("  its names stand behind %s in the file", found.prefix)
    if found.renamed:
        log.info("  %d old names of DenseNet's layers: norm.1 is norm1", found.renamed)
    if found.beside:
        log.info("  left out, being none of the network's: %s", listed(found.beside))


def _tell_channels(theirs: int, ours: int) -> None:
    log.info(
        "  first layer: %d input channels there, %d here; each of ours is a %s of their sum, so "
        "that a grey image gives what it gave", theirs, ours, "third" if ours == 3 else "part",
    )  # fmt: skip


def _warn_of_scale(channels: int) -> None:
    log.warning(
        "these weights were trained on images with %d channels, perhaps of another scale of grey "
        "levels than ours, which nothing here makes up for; training has to. A file of "
        "torchxrayvision's is such a one; named as xrv:<name>, its scale is made up for",
        channels,
    )


def load_branch(branch: nn.Module, about: Mapping[str, Any], weights: Weights) -> None:
    """Load the weights of another branch of this project, head included if it fits.

    The features of a plain backbone can be the start of its cascade.

    Args:
        branch: to be loaded.
        about: its description.
        weights: of the other branch.

    Raises:
        ParamsError: it has another backbone, other inputs or another shape; nothing is loaded
            then.
    """
    name, theirs = about["backbone"], weights.about or {}
    if theirs["backbone"] not in {name, name.removesuffix("_capsnet")}:
        raise ParamsError(f"these weights are of a branch with {theirs['backbone']}, not {name}")
    if theirs["standardise"] != about["standardise"]:
        raise ParamsError(
            f"these weights were trained with train.standardise: {_yaml(theirs['standardise'])}, "
            f"and would see other images with {_yaml(about['standardise'])}"
        )
    findings = list(theirs["findings"]) == list(about["findings"])
    alike = {key: theirs.get(key, usual) == about[key] for key, usual in _HEADS.items()}
    same = theirs["backbone"] == name and findings and all(alike.values())
    if theirs.get("centred", False) != about["centred"]:
        log.warning(
            "these weights were trained with a grid %s the middle of the image, and start here "
            "with one %s it: the first epochs move what they look at by up to half a cell",
            *(("in", "beside") if theirs.get("centred", False) else ("beside", "in")),
        )
    state = weights.state if alike["pyramid"] else _of_backbone(weights.state, branch)
    _load(branch, state, left_out=_STATISTICS if same else _PARTS, name=name)
    if not same:
        log.info("  its head%s starts anew", "" if findings else ", for other findings,")


_HEADS = {"pooling": "average", "pyramid": 0}
"""What stands above a backbone, and what stood there before there was a choice."""


def _of_backbone(state: State, branch: nn.Module) -> State:
    """Without a pyramid, and under the names that the backbone has in `branch`."""
    has_pyramid = any(key.startswith(PYRAMID) for key in branch.state_dict())
    ours = PYRAMID if has_pyramid else PLAIN
    theirs = PYRAMID if any(key.startswith(PYRAMID) for key in state) else PLAIN
    return {
        key.replace(theirs, ours, 1) if key.startswith(theirs) else key: value
        for key, value in _without(state, (TOP_DOWN,)).items()
    }


def _yaml(value: object) -> str:
    return str(value).lower()


def load_capsnet(readout: nn.Module, state: State) -> None:
    """Let a cascade start with a pretrained CapsNet, and any other branch with none.

    Raises:
        ParamsError: weights for a branch without a CapsNet of its own, a cascade without weights,
            or weights of another CapsNet.
    """
    if not isinstance(readout, CapsuleCascade):
        if state:
            raise ParamsError("a pretrained CapsNet is for cascades, `<backbone>_capsnet`, alone")
        return
    if not state:
        raise ParamsError(
            "the CapsNet of this cascade is not pretrained; run `dvc repro` without a target, or "
            "with --downstream pretrain_capsnet"
        )
    _load(readout.capsnet, state, left_out=(), name="capsnet")


_STATISTICS = ("prior",)
"""Of the labels, the cohort's: never another's. Those of the input go with the features."""

PLAIN, PYRAMID = "features.", "features.bottom_up."
"""Before the names of a backbone's weights, in a branch without and in one with a pyramid."""

TOP_DOWN = "features.top_down."
"""Before those of the pyramid's own."""

_PARTS = (*_STATISTICS, "readout.", "head.", TOP_DOWN)
"""What a branch with other findings, or with something else above its backbone, cannot give."""


def _load(network: nn.Module, given: State, *, left_out: tuple[str, ...], name: str) -> None:
    wanted = _without(network.state_dict(), left_out)
    kept = _without(given, left_out)
    absent = wanted.keys() - kept.keys()
    missing = sorted(key for key in absent if not key.endswith(_COUNTER))
    unexpected = sorted(kept.keys() - wanted.keys())
    shapes = [
        f"{key} {tuple(kept[key].shape)} for {tuple(wanted[key].shape)}"
        for key in sorted(wanted.keys() & kept.keys())
        if kept[key].shape != wanted[key].shape
    ]
    if missing or unexpected or shapes:
        raise ParamsError(
            f"weights do not fit {name}: {len(wanted) - len(absent) - len(shapes)} of "
            f"{len(wanted)} tensors match; {len(missing)} missing {missing[:3]}, "
            f"{len(unexpected)} unexpected {unexpected[:3]}, {len(shapes)} misshapen "
            f"{shapes[:3]}. Name weights of {name} (a transformer's: for this input size) in the "
            "member's `weights`, or say none"
        )
    network.load_state_dict(kept, strict=False)
    log.info("weights: %d of %d tensors of %s loaded", len(kept), len(wanted), name)
    if absent:
        log.info("  not in the file: %d step counters, which start at 0", len(absent))
    others = sorted(given.keys() - kept.keys() - set(_STATISTICS))
    if others:
        log.info("  left out, being of another classifier: %s", listed(others))


def _without(state: State, prefixes: tuple[str, ...]) -> State:
    return {key: value for key, value in state.items() if not key.startswith(prefixes)}
