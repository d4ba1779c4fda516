"""Losses: from the training targets to a function of logits and targets."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from pipeline.errors import CohortError, ParamsError
from pipeline.findings import FINDINGS

Loss = Callable[[Float[Tensor, "b f"], Float[Tensor, "b f"]], Float[Tensor, ""]]
"""Logits and targets to the mean loss."""


@dataclass(frozen=True)
class FittedLoss:
    """A loss that knows the training targets."""

    loss: Loss
    prior_logits: Float[Tensor, " f"]
    """The constant logits of least loss: where an untrained head's bias should start."""


def bce(targets: Float[Tensor, "n f"]) -> FittedLoss:
    """Binary cross-entropy, every finding and image alike."""
    return FittedLoss(
        functional.binary_cross_entropy_with_logits, torch.logit(_prevalence(targets))
    )


def weighted_bce(targets: Float[Tensor, "n f"]) -> FittedLoss:
    """Binary cross-entropy with positives weighted by the inverse of their prevalence."""
    prevalence = _prevalence(targets)
    weight = 1 / prevalence

    def loss(logits: Float[Tensor, "b f"], truth: Float[Tensor, "b f"]) -> Float[Tensor, ""]:
        return functional.binary_cross_entropy_with_logits(
            logits, truth, pos_weight=weight.to(logits.device)
        )

    return FittedLoss(loss, -torch.log(1 - prevalence))


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


LOSSES: dict[str, Callable[[Tensor], FittedLoss]] = {"bce": bce, "weighted_bce": weighted_bce}


def build_loss(name: str, targets: Float[Tensor, "n f"]) -> FittedLoss:
    """The loss `name`, fitted to `targets`, which must be the training split's alone.

    Raises:
        ParamsError: no loss has that name.
        CohortError: a finding whose training labels are all alike.
    """
    if name not in LOSSES:
        raise ParamsError(f"train.loss: unknown {name!r}; expected one of {', '.join(LOSSES)}")
    return LOSSES[name](targets)
