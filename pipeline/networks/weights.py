"""Pretrained weights into a backbone: all of them, or an error that says what did not fit."""

import logging

from torch import Tensor

from pipeline.errors import ParamsError
from pipeline.networks.backbone import Backbone

log = logging.getLogger(__name__)


def load_weights(backbone: Backbone, weights: dict[str, Tensor]) -> None:
    """Load a state dict in torchvision's layout, strictly apart from the classifier.

    Raises:
        ParamsError: names missing, unexpected or of another shape; nothing is loaded then.
    """
    wanted = _without(backbone.network.state_dict(), backbone.classifier)
    given = _without(weights, backbone.classifier)
    # Files from before PyTorch 0.4.1 lack BatchNorm's step counter, which evaluation never reads.
    missing = sorted(k for k in wanted.keys() - given.keys() if "num_batches_tracked" not in k)
    unexpected = sorted(given.keys() - wanted.keys())
    shapes = [
        f"{name} {tuple(given[name].shape)} for {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & given.keys())
        if given[name].shape != wanted[name].shape
    ]
    if missing or unexpected or shapes:
        raise ParamsError(
            f"weights do not fit the backbone: {len(missing)} missing {missing[:3]}, "
            f"{len(unexpected)} unexpected {unexpected[:3]}, {len(shapes)} misshapen {shapes[:3]}"
        )
    backbone.network.load_state_dict(given, strict=False)
    log.info("weights: all %d tensors of the backbone loaded, classifier left out", len(given))


def _without(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.startswith(prefix)}
