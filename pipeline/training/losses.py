"""Losses: from the training targets to a function of logits and targets.

An entry is a function of logits, targets and the prevalences of the training split that gives
each element's loss; the mean, and where a head should start, are the same for all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn import functional

from pipeline.base.findings import FINDINGS
from pipeline.errors import CohortError, ParamsError
from pipeline.params.sections import LossParams

Loss = Callable[[Float[Tensor, "b f"], Float[Tensor, "b f"]], Float[Tensor, ""]]
"""Logits and targets to the mean loss."""

Elementwise = Callable[
    [Float[Tensor, "b f"], Float[Tensor, "b f"], Float[Tensor, " f"], LossParams],
    Float[Tensor, "b f"],
]
"""Logits, targets, prevalences in the training split and the losses' own numbers to losses."""


@dataclass(frozen=True)
class FittedLoss:
    """A loss that knows the training targets."""

    loss: Loss
    prior_logits: Float[Tensor, " f"]
    """The constant logits of least loss: where an untrained head's bias should start."""


def bce(
    logits: Float[Tensor, "b f"],
    targets: Float[Tensor, "b f"],
    prevalence: Float[Tensor, " f"],  # noqa: ARG001
    params: LossParams,  # noqa: ARG001
) -> Float[Tensor, "b f"]:
    """Binary cross-entropy, every finding and image alike."""
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def weighted_bce(
    logits: Float[Tensor, "b f"],
    targets: Float[Tensor, "b f"],
    prevalence: Float[Tensor, " f"],
    params: LossParams,  # noqa: ARG001
) -> Float[Tensor, "b f"]:
    """Binary cross-entropy with positives weighted by the inverse of their prevalence.

    Each finding has its own weight, and negatives have none; `wcel` weighs both.
    """
    return functional.binary_cross_entropy_with_logits(
        logits, targets, pos_weight=1 / prevalence, reduction="none"
    )


def wcel(
    logits: Float[Tensor, "b f"],
    targets: Float[Tensor, "b f"],
    prevalence: Float[Tensor, " f"],
    params: LossParams,  # noqa: ARG001
) -> Float[Tensor, "b f"]:
    """Cross-entropy with both classes weighted: W-CEL of Wang et al., CVPR 2017, Sec. 4.1, Eq. 1.

    `beta_P = (|P| + |N|) / |P|` for positives, `beta_N = (|P| + |N|) / |N|` for negatives. P and N
    are the labels of all findings together, as in the paper. They are counted over the training
    split, where the paper counts a batch: so an image's loss does not depend on what it is
    computed with.
    """
    share = prevalence.mean()
    weight = torch.where(targets > 0, 1 / share, 1 / (1 - share))
    return weight * functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def focal(
    logits: Float[Tensor, "b f"],
    targets: Float[Tensor, "b f"],
    prevalence: Float[Tensor, " f"],  # noqa: ARG001
    params: LossParams,
) -> Float[Tensor, "b f"]:
    """Cross-entropy times `(1 - p_t)^gamma` (Lin et al., arXiv:1708.02002, Eq. 4)."""
    towards = torch.where(targets > 0, logits, -logits)
    return -_certainty(-towards, params.focal_gamma) * functional.logsigmoid(towards)


def asymmetric(
    logits: Float[Tensor, "b f"],
    targets: Float[Tensor, "b f"],
    prevalence: Float[Tensor, " f"],  # noqa: ARG001
    params: LossParams,
) -> Float[Tensor, "b f"]:
    """Focal loss, its gamma apart for negatives, whose probability is shifted towards zero.

    Negatives below the shift cost nothing (Ridnik et al., arXiv:2009.14119, Eqs. 4-7).
    """
    weight = _certainty(-logits, params.asymmetric_gamma_positive)
    positive = -weight * functional.logsigmoid(logits)
    # At a shift above 0 the logarithm is finite without an epsilon: its argument is at least that.
    shifted = (logits.sigmoid() - params.asymmetric_shift).clamp(min=0)
    negative = -(shifted**params.asymmetric_gamma_negative) * torch.log1p(-shifted)
    return torch.where(targets > 0, positive, negative)


def _certainty(logits: Float[Tensor, "b f"], gamma: float) -> Float[Tensor, "b f"]:
    """`sigmoid(logits)^gamma`, with finite gradients at every logit and gamma."""
    return (gamma * functional.logsigmoid(logits)).exp()


def margin(
    logits: Float[Tensor, "b f"],
    targets: Float[Tensor, "b f"],
    prevalence: Float[Tensor, " f"],  # noqa: ARG001
    params: LossParams,  # noqa: ARG001
) -> Float[Tensor, "b f"]:
    """Margin loss of capsules' lengths (Sabour et al., arXiv:1710.09829, Eq. 4).

    `T max(0, 0.9 - |v|)^2 + 0.5 (1 - T) max(0, |v| - 0.1)^2`; the sigmoid of a capsule's logit is
    its length.
    """
    length = logits.sigmoid()
    present, absent = (0.9 - length).clamp(min=0).square(), (length - 0.1).clamp(min=0).square()
    return targets * present + 0.5 * (1 - targets) * absent


LOSSES: dict[str, Elementwise] = {
    "bce": bce,
    "weighted_bce": weighted_bce,
    "wcel": wcel,
    "focal": focal,
    "asymmetric": asymmetric,
    "margin": margin,
}


def build_loss(name: str, targets: Float[Tensor, "n f"], params: LossParams) -> FittedLoss:
    """The loss `name`, fitted to `targets`, which must be the training split's alone.

    Raises:
        ParamsError: no loss has that name.
        CohortError: a finding whose training labels are all alike.
    """
    if name not in LOSSES:
        raise ParamsError(f"train.loss: unknown {name!r}; expected one of {', '.join(LOSSES)}")
    elementwise, prevalence = LOSSES[name], _prevalence(targets)
    there = {
        prevalence.device: prevalence
    }  # sent once: a copy waits for all that a GPU still does

    def loss(logits: Float[Tensor, "b f"], truth: Float[Tensor, "b f"]) -> Float[Tensor, ""]:
        if logits.device not in there:
            there[logits.device] = prevalence.to(logits.device)
        return elementwise(logits, truth, there[logits.device], params).mean()

    best = [
        _best_constant(elementwise, prevalence.double(), params, finding=number)
        for number in range(len(prevalence))
    ]
    return FittedLoss(loss, torch.tensor(best))


def _best_constant(
    elementwise: Elementwise,
    prevalence: Float[Tensor, " f"],
    params: LossParams,
    *,
    finding: int,
) -> float:
    """The logit of least expected loss for a finding, by its number."""
    pair = torch.tensor([[1.0], [0.0]], dtype=torch.float64).expand(-1, len(prevalence))
    share = prevalence[finding]

    def expected(logit: float) -> float:
        losses = elementwise(torch.full_like(pair, logit), pair, prevalence, params)[:, finding]
        return float(share * losses[0] + (1 - share) * losses[1])

    found = minimize_scalar(expected, bounds=(-15.0, 15.0), method="bounded")
    return float(found.x)


def _prevalence(targets: Float[Tensor, "n f"]) -> Float[Tensor, " f"]:
    prevalence = targets.mean(dim=0)
    constant = [
        name
        for name, share in zip(FINDINGS, prevalence.tolist(), strict=True)
        if share in (0.0, 1.0)
    ]
    if constant:
        raise CohortError(
            f"no network can learn {', '.join(constant)}: all {len(targets)} training images "
            "have the same label; use more patients or another split"
        )
    return prevalence
