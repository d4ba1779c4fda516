"""How doubtful a label is, by an out-of-sample probability of its finding."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit, logit

from pipeline.results.evaluation.calibration import calibrate, platt

LABEL_NOISE = 0.1
"""Share of a finding's labels that are taken for wrong: the authors of ChestX-ray14 estimate that
more than 90 % are right (Wang et al., CVPR 2017). The order of labels hardly depends on it."""

LabelScore = Callable[[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]], Float[np.ndarray, " n"]]
"""Probabilities and labels of one finding, both classes among them, to how doubtful each label is:
the higher, the more. Scores of all findings are ranked together."""


def odds(
    probs: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"], *, noise: float = LABEL_NOISE
) -> Float[np.ndarray, " n"]:
    """Chance that the label is wrong, by Bayes' rule.

    Text mining is taken to err as often either way: a share `noise` of a finding's labels stands
    on images without it, and as many images that have it lack the label. How much more probable
    an image is with the finding than without is the odds of its calibrated probability over those
    of the finding's share. So a rare finding and a frequent one are judged by one measure.

    Returns:
        In [0, 1].
    """
    share = float(labels.mean())
    evidence = logit(calibrate(probs, platt(probs, labels))) - logit(share)
    spurious, missed = noise, min(noise * share / (1 - share), 0.5)
    return np.asarray(
        expit(np.where(labels, logit(spurious) - evidence, logit(missed) + evidence))
    )


def margin(
    probs: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Margin of the other class, each class less its threshold, as cleanlab has it.

    A class's threshold is its mean probability where it is the label (Northcutt et al.,
    arXiv:1911.00068, Eq. 2). A finding is a task of two classes by itself (Thyagarajan et al.,
    arXiv:2211.13895). The difference of thresholds scales the margin, so that it is comparable.

    Returns:
        In [0, 1]; above 0.5 the other class is the likelier one.
    """
    with_it, without = probs[labels].mean(), (1 - probs[~labels]).mean()
    present = (2 * probs - 1 - (with_it - without)) / (1 + abs(with_it - without))
    return np.asarray((1 + np.where(labels, -present, present)) / 2)


def confidence(
    probs: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Probability that is not given to the label: 1 less the self-confidence of arXiv:1911.00068.

    Returns:
        In [0, 1].
    """
    return np.asarray(np.where(labels, 1 - probs, probs))


SCORES: dict[str, LabelScore] = {"odds": odds, "margin": margin, "confidence": confidence}
