"""When a training cannot go on, and what is known of why."""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.errors import PipelineError
from pipeline.training.state import Training


class TrainingError(PipelineError):
    """Training cannot go on."""


def expect_finite(losses: Float[Tensor, " steps"], epoch: int, training: Training) -> None:
    """Make sure that no step of an epoch had a loss that is not finite.

    Raises:
        TrainingError: one had; with its place, and what the losses before it tell of the cause.
    """
    bad = (~torch.isfinite(losses)).nonzero()
    if not len(bad):
        return
    step = int(bad[0])
    cause = cause_of_what_is_not_finite(losses[:step].tolist(), training)
    raise TrainingError(f"the loss is not finite at step {step + 1} of epoch {epoch}: {cause}")


def cause_of_what_is_not_finite(before: list[float], training: Training) -> str:
    """What the losses `before` it, and those of earlier epochs, tell; and what usually helps."""
    losses = [*(epoch.train_loss for epoch in training.epochs), *before]
    precision, rate = training.precision, training.plan.learning_rate
    if not losses:
        return (
            "already the first one, so an input or a weight to start with is not finite, or is "
            f"too large for {precision}"
        )
    if losses[-1] > 2 * losses[0]:
        risen = f"it had risen from {losses[0]:.3g} to {losses[-1]:.3g}"
        return f"{risen}; lower the learning rate ({rate:g})"
    half = f", or train.precision: fp32 instead of {precision}" if precision != "fp32" else ""
    return f"a lower learning rate (now {rate:g}) usually helps{half}"
