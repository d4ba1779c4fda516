"""A branch that starts as a network of torchxrayvision: its scale of grey levels, its outputs."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.networks.backbones.backbone import Backbone
from pipeline.networks.first_layer import shrink_input
from pipeline.networks.weights import Weights, load_published

log = logging.getLogger(__name__)

_RANGE = 2048
"""From black to white: grey in [0, 1] enters torchxrayvision's networks in [-1024, 1024]."""

_MEAN = 0.5
"""The grey level that enters as 0, there as here, so that padding is of one grey level."""

_STD = 0.25
"""The spread that enters as 1: about a radiograph's, and a power of two, so that nothing is
rounded."""


def load_xrv(
    branch: nn.Module, about: Mapping[str, Any], backbone: Backbone, weights: Weights
) -> None:
    """Load a network of torchxrayvision, so that the branch computes what it computed.

    Grey levels enter with a mean of 0.5 and a spread of 0.25, smaller by a factor than there. The
    first normalisation takes the factor up; `mean` and `std` of the branch say the rest, and go
    into its checkpoints. A head behind plain global average pooling, which that network ends in,
    takes over the outputs that have the name of one of its findings.

    Args:
        branch: to be loaded.
        about: its description.
        backbone: the branch's.
        weights: with `outputs`.

    Raises:
        ParamsError: they are of another network; nothing is loaded then.
    """
    classifier = {k: v for k, v in weights.state.items() if k.startswith(backbone.classifier)}
    features = {k: v for k, v in weights.state.items() if k not in classifier}
    load_published(backbone, features, name=about["backbone"], scale_known=True)
    shrink_input(backbone.network, _RANGE * _STD)
    branch.get_buffer("mean").fill_(_MEAN)
    branch.get_buffer("std").fill_(_STD)
    if about["standardise"]:
        log.info(_STANDARDISED, _MEAN, _STD)
    else:
        log.info(_AS_THERE, ", of a grid in the middle of the image" if about["centred"] else "")
    head = branch.get_submodule("head")
    if not isinstance(head, nn.Linear) or about["pyramid"]:
        log.info("  the head starts anew: it does not stand on the mean of the backbone's maps")
        return
    (prefix,) = backbone.classifier
    rows = {finding: row for row, finding in enumerate(weights.outputs or ()) if finding}
    _take_rows(head, classifier[f"{prefix}weight"], classifier[f"{prefix}bias"], rows, about)


_AS_THERE = "  grey levels enter as they did there: its features are what they were%s"

_STANDARDISED = (
    "  with train.standardise each image enters as if it had a mean of %s and a spread of %s; "
    "there exposure was left as it was, so its features differ from what they were"
)


def _take_rows(
    head: nn.Linear,
    weight: Tensor,
    bias: Tensor,
    rows: Mapping[str, int],
    about: Mapping[str, Any],
) -> None:
    taken = [finding for finding in about["findings"] if finding in rows]
    places = [about["findings"].index(finding) for finding in taken]
    theirs = [rows[finding] for finding in taken]
    with torch.no_grad():
        head.weight[places] = weight[theirs]
        head.bias[places] = bias[theirs]
    others = [finding for finding in about["findings"] if finding not in rows]
    log.info("  the head takes over: %s", ", ".join(taken) or "nothing")
    if others:
        log.info("  the head starts anew, from the cohort, for: %s", ", ".join(others))
