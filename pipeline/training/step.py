"""One step of the optimiser: a whole batch, computed in as many parts as memory asks for."""

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from math import ceil

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.networks.augment import Augment, prepare
from pipeline.networks.device import autocast
from pipeline.training.data.batches import Batch
from pipeline.training.failure import TrainingError
from pipeline.training.losses import Loss
from pipeline.training.processes.batch_norm import statistics_of
from pipeline.training.processes.distributed import World, unsent
from pipeline.training.state import Training

log = logging.getLogger(__name__)


def turns_of(images: int, world: World, *, micro_batch: int) -> int:
    """In how many turns a batch is computed with `micro_batch` images for each rank at a time.

    A turn is never of a single image, of which BatchNorm has no statistics, nor without one for
    every rank: where it would come to that, some are one image larger than asked.
    """
    wanted = ceil(images / (micro_batch * world.size))
    return min(wanted, max(images // max(2, world.size), 1))


def parts_of(rows: Tensor, world: World, *, micro_batch: int) -> list[Tensor]:
    """A batch as it is computed: in turns about as large as each other, this rank's of each."""
    turns = turns_of(len(rows), world, micro_batch=micro_batch)
    return [world.part(turn) for turn in rows.tensor_split(turns)]


@dataclass(frozen=True)
class Share:
    """What one rank has of a batch, on its device."""

    inputs: Batch
    """As they are stored."""
    targets: Float[Tensor, "p f"]
    drawn: Float[Tensor, "9 p"]
    """Numbers that decide on how each image is augmented."""
    images: int
    """Of the whole batch, all ranks together."""
    known: float | None = None
    """Labels that are known of those images; None: all of them."""

    def weight(self, truth: Float[Tensor, "t f"]) -> float | Float[Tensor, ""]:
        """How much the mean loss of a part counts in the mean loss of the whole batch."""
        if self.known is None:
            return len(truth) / self.images
        return (~truth.isnan()).sum() / max(self.known, 1.0)


class Step:
    """Forward, backward and update, of a training's network.

    The loss is that of the whole batch, and so is its gradient: every known label counts the
    same in whatever parts and by however many ranks its image is computed. (Only BatchNorm knows
    of the parts: its statistics are those of the images that are computed at a time. So does
    dropout.)
    """

    def __init__(
        self, training: Training, loss: Loss, augment: Augment, world: World, forward: nn.Module
    ) -> None:
        self._training = training
        self._loss = loss
        self._augment = augment
        self._world = world
        self._forward = forward
        kinds: dict[torch.dtype, list[Tensor]] = {}
        for value in training.network.buffers():
            kinds.setdefault(value.dtype, []).append(value)
        self._buffers = [(those, [one.clone() for one in those]) for those in kinds.values()]

    def __call__(self, share: Share) -> Float[Tensor, ""]:
        """Learn from this rank's share of a batch; what it adds to the batch's loss.

        Raises:
            TrainingError: not even a part of two images fits into memory.
        """
        while True:
            # BatchNorm's statistics, which a forward pass moves though it may not come to its end.
            for values, before in self._buffers:
                torch._foreach_copy_(before, values)
            try:
                loss = self._accumulate(share)
            except torch.OutOfMemoryError as error:
                reason = str(error)
            else:
                self._update()
                return loss
            # Out of the except block, so that what the failed attempt held is free again.
            self._halve(share.images, reason)
            for values, before in self._buffers:
                torch._foreach_copy_(values, before)

    def _accumulate(self, share: Share) -> Float[Tensor, ""]:
        training, world = self._training, self._world
        training.optimizer.zero_grad()
        turns = turns_of(share.images, world, micro_batch=training.micro_batch)
        whole = (*share.inputs, share.targets, share.drawn.T)
        parts = zip(*(one.tensor_split(turns) for one in whole), strict=True)
        total = share.targets.new_zeros(())
        for turn, (*inputs, truth, numbers) in enumerate(parts, start=1):
            # Gradients are exchanged in the last turn. Ranks' are averaged then, so that each
            # counts as if it were all of them.
            with nullcontext() if turn == turns else unsent(self._forward):
                seen = self._augment(prepare(tuple(inputs)), numbers.T)
                with statistics_of(world), autocast(training.device, training.precision):
                    logits = self._forward(*seen)
                loss = self._loss(logits.float(), truth) * share.weight(truth)
                training.scaler.scale(loss * world.size).backward()
            total += loss.detach()
        return total

    def _update(self) -> None:
        training = self._training
        training.scaler.step(training.optimizer)
        training.scaler.update()
        training.schedule.after_step()
        if training.average:
            training.average.update(training.network)

    def _halve(self, images: int, reason: str) -> None:
        training = self._training
        training.optimizer.zero_grad()
        now = min(training.micro_batch, ceil(images / self._world.size))
        if self._world.size > 1 or now < 4:
            raise TrainingError(
                f"out of memory with {now} images at a time ({reason.splitlines()[0]}); lower "
                "train.micro_batch (its gradients add up to the same step) or train.input_size"
            )
        if training.device.type == "cuda":
            torch.cuda.empty_cache()
        training.micro_batch = ceil(now / 2)
        log.warning(
            "out of memory with %d images at a time: goes on with %d, whose gradients add up to "
            "the same step", now, training.micro_batch,
        )  # fmt: skip
