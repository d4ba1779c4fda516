"""Losses: from the training targets to a function of logits and targets.

An entry is a function of logits, targets and the prevalences of the training split that gives
each element's loss; the mean, and where a head should start, are the same for all. A target that
is NaN is unknown: it has no part in the mean, nor in any number that a loss is fitted to.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn import functional

from pipeline.base.findings import FINDINGS
from pipeline.errors import CohortError, ParamsError
from pipeline.params.sections import LossParams

log = logging.getLogger(__name__)

NEVER_KNOWN = float("inf")
"""In place of the prior logit of a finding of which no training label is known."""

Loss = Callable[[Float[Tensor, "b f"], Float[Tensor, "b f"]], Float[Tensor, ""]]
"""Logits and targets to the mean loss of those that are known; nought if none is."""


class Prevalence(NamedTuple):
    """How many of a split's known labels are positive."""

    each: Float[Tensor, " f"]
    """Of each finding; a half of one of which nothing is known."""
    weight: Float[Tensor, " f"] | None
    """How many labels of each finding are known; None: all of them."""

    @property
    def together(self) -> Float[Tensor, ""]:
        """Of all findings together."""
        if self.weight is None:
            return self.each.mean()
        return (self.each * self.weight).sum() / self.weight.sum()

    def to(self, kind: torch.device | torch.dtype) -> "Prevalence":
        """The same on another device, or in another precision."""
        return Prevalence(
            self.each.to(kind), None if self.weight is None else self.weight.to(kind)
        )


Elementwise = Callable[
    [Float[Tensor, "b f"], Float[Tensor, "b f"], Prevalence, LossParams],
    Float[Tensor, "b f"],
]
"""Logits, targets, prevalences in the training split and the losses' own numbers to losses."""


@dataclass(frozen=True)
class FittedLoss:
    """A loss that knows the training targets."""

    loss: Loss
    prior_logits: Float[Tensor, " f"]
    """The constant logits of least loss: where an untrained head's bias should start.

    NEVER_KNOWN where nothing is to be learnt.
    """


def bce(
    logits: Float[Tensor, "b f"],
    targets: Float[Tensor, "b f"],
    prevalence: Prevalence,  # noqa: ARG001
    params: LossParams,  # noqa: ARG001
) -> Float[Tensor, "b f"]:
    """Binary cross-entropy, every finding and image alike."""
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def weighted_bce(
    logits: Float[Tensor, "b f"],
    targets: Float[Tensor, "b f"],
    prevalence: Prevalence,
    params: LossParams,  # noqa: ARG001
) -> Float[Tensor, "b f"]:
    """Binary cross-entropy with positives weighted by the inverse of their prevalence.

    Each finding has its own weight, and negatives have none; `wcel` weighs both.
    """
    return functional.binary_cross_entropy_with_logits(
        logits, targets, pos_weight=1 / prevalence.each, reduction="none"
    )


def wcel(
    logits: Float[Tensor, "b f"],
    targets: Float[Tensor, "b f"],
    prevalence: Prevalence,
    params: LossParams,  # noqa: ARG001
) -> Float[Tensor, "b f"]:
    """Cross-entropy with both classes weighted: W-CEL of Wang et al., CVPR 2017, Sec. 4.1, Eq. 1.

    `beta_P = (|P| + |N|) / |P|` for positives, `beta_N = (|P| + |N|) / |N|` for negatives. P and N
    are the labels of all findings together, as in the paper. They are counted over the training
    split, where the paper counts a batch: so an image's loss does not depend on what it is
    computed with.
    """
    share = prevalence.together
    weight = torch.where(targets > 0, 1 / share, 1 / (1 - share))
    return weight * functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def focal(
    logits: Float[Tensor, "b f"],
    targets: Float[Tensor, "b f"],
    prevalence: Prevalence,  # noqa: ARG001
    params: LossParams,
) -> Float[Tensor, "b f"]:
    """Cross-entropy times `(1 - p_t)^gamma` (Lin et al., arXiv:1708.02002, Eq. 4)."""
    towards = torch.where(targets > 0, logits, -logits)
    return -_certainty(-towards, params.focal_gamma) * functional.logsigmoid(towards)


def asymmetric(
    logits: Float[Tensor, "b f"],
    targets: Float[Tensor, "b f"],
    prevalence: Prevalence,  # noqa: ARG001
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
    prevalence: Prevalence,  # noqa: ARG001
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
        CohortError: a finding whose known training labels are all alike, or no known label.
    """
    if name not in LOSSES:
        raise ParamsError(f"train.loss: unknown {name!r}; expected one of {', '.join(LOSSES)}")
    elementwise, prevalence = LOSSES[name], _prevalence(targets)
    there = {targets.device: prevalence}  # sent once: a copy waits for all that a GPU still does

    def loss(logits: Float[Tensor, "b f"], truth: Float[Tensor, "b f"]) -> Float[Tensor, ""]:
        if logits.device not in there:
            there[logits.device] = prevalence.to(logits.device)
        if prevalence.weight is None and not seen_to_lack(truth):
            return elementwise(logits, truth, there[logits.device], params).mean()
        known = ~truth.isnan()
        losses = elementwise(logits, truth.nan_to_num(), there[logits.device], params)
        return losses.where(known, 0).sum() / known.sum().clamp(min=1)

    exact, nothing = prevalence.to(torch.float64), targets.isnan().all(dim=0).tolist()
    best = [
        NEVER_KNOWN if nothing[number] else _best_constant(elementwise, exact, params, number)
        for number in range(len(nothing))
    ]
    return FittedLoss(loss, torch.tensor(best))


def seen_to_lack(truth: Float[Tensor, "b f"]) -> bool:
    """Whether some label is unknown where the training split has all of them.

    Another device is not asked: it would have to be waited for, and has training labels alone.
    """
    return truth.device.type == "cpu" and bool(truth.isnan().any())


def _best_constant(
    elementwise: Elementwise, prevalence: Prevalence, params: LossParams, finding: int
) -> float:
    """The logit of least expected loss for a finding, by its number."""
    pair = torch.tensor([[1.0], [0.0]], dtype=torch.float64).expand(-1, len(prevalence.each))
    share = prevalence.each[finding]

    def expected(logit: float) -> float:
        losses = elementwise(torch.full_like(pair, logit), pair, prevalence, params)[:, finding]
        return float(share * losses[0] + (1 - share) * losses[1])

    found = minimize_scalar(expected, bounds=(-15.0, 15.0), method="bounded")
    return float(found.x)


def _prevalence(targets: Float[Tensor, "n f"]) -> Prevalence:
    known = ~targets.isnan()
    if known.all():
        prevalence = Prevalence(targets.mean(dim=0), None)
    else:
        counts = known.sum(dim=0)
        each = targets.nan_to_num().sum(dim=0) / counts
        prevalence = Prevalence(each.where(counts > 0, 0.5), counts.to(targets.dtype))
    _expect_learnable(prevalence.each, known)
    return prevalence


def _expect_learnable(prevalence: Float[Tensor, " f"], known: Bool[Tensor, "n f"]) -> None:
    if not known.any():
        raise CohortError("no network can learn: no label of any training image is known")
    names = FINDINGS if len(prevalence) == len(FINDINGS) else map(str, range(len(prevalence)))
    found = list(zip(names, prevalence.tolist(), known.sum(dim=0).tolist(), strict=True))
    constant = [name for name, share, _ in found if share in (0.0, 1.0)]
    if constant:
        of = "" if known.all() else " of which the label is known"
        raise CohortError(
            f"no network can learn {', '.join(constant)}: all {len(known)} training images{of} "
            "have the same label; use more patients or another split"
        )
    unknown = [name for name, _, count in found if not count]
    if unknown:
        log.warning("nothing is learnt of %s: no training label is known", ", ".join(unknown))
