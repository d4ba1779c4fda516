"""Values that are each valid and that seldom go together well."""

import logging

from pipeline.params.names import PROPER_LOSSES
from pipeline.params.whole import Params

log = logging.getLogger(__name__)


def warn_of_doubts(params: Params) -> None:
    """Say in the log, a line each, which values do not go together well, and the remedy."""
    for doubt in doubts(params):
        log.warning("params.yaml: %s", doubt)


def doubts(params: Params) -> list[str]:
    """A line for each; none for most values."""
    loss, method = params.train.loss, params.evaluate.calibration
    if method != "temperature" or loss in PROPER_LOSSES:
        return []
    return [
        f"evaluate.calibration: temperature corrects a slope alone, but train.loss: {loss} moves "
        "the level of all probabilities away from the share of positives, so calibrated ones may "
        "be worse; say evaluate.calibration: platt"
    ]
