"""One step of the optimiser: a whole batch, computed in as many parts as memory asks for."""

import logging
from contextlib import nullcontext
from math import ceil

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.networks.device import autocast
from pipeline.training.augment import Tensors
from pipeline.training.batch_norm import statistics_of
from pipeline.training.distributed import World, unsent
from pipeline.training.losses import Loss
from pipeline.training.state import Training

log = logging.getLogger(__name__)


class TrainingError(PipelineError):
    """Training cannot go on."""


def parts_of(rows: Tensor, world: World, *, micro_batch: int) -> list[Tensor]:
    """A batch as it is computed: in turn, and of each turn the share of this rank.

    As few turns as will do with at most `micro_batch` images for each rank, all about as large.
    """
    turns = ceil(len(rows) / (micro_batch * world.size))
    return [world.part(turn) for turn in rows.tensor_split(turns)]


class Step:
    """Forward, backward and update, of a training's network.

    The loss is that of the whole batch, and so is its gradient: every image counts the same in
    whatever parts and by however many ranks they are computed. (Only BatchNorm knows of the parts:
    its statistics are those of the images that are computed at a time.)
    """

    def __init__(self, training: Training, loss: Loss, world: World, forward: nn.Module) -> None:
        self._training = training
        self._loss = loss
        self._world = world
        self._forward = forward
        self._fits = False

    def __call__(
        self, inputs: Tensors, targets: Float[Tensor, "p f"], *, images: int
    ) -> Float[Tensor, ""]:
        """Learn from this rank's part of a batch of `images`; its share of the batch's loss.

        Raises:
            TrainingError: not even a part of two images fits into memory.
        """
        while True:
            # A step that has fitted once will fit again, and BatchNorms are many.
            buffers = [] if self._fits else list(self._training.network.buffers())
            before = [value.clone() for value in buffers]
            try:
                loss = self._accumulate(inputs, targets, images=images)
            except torch.OutOfMemoryError as error:
                reason = str(error)
            else:
                self._fits = True
                self._update()
                return loss
            # Out of the except block, so that what the failed attempt held is free again.
            for value, old in zip(buffers, before, strict=True):
                value.copy_(old)
            self._halve(images, reason)

    def _accumulate(
        self, inputs: Tensors, targets: Float[Tensor, "p f"], *, images: int
    ) -> Float[Tensor, ""]:
        training, world = self._training, self._world
        training.optimizer.zero_grad()
        turns = ceil(images / (training.micro_batch * world.size))
        parts = list(zip(*(one.tensor_split(turns) for one in (*inputs, targets)), strict=True))
        total = targets.new_zeros(())
        for turn, part in enumerate(parts, start=1):
            with statistics_of(world), autocast(training.device, training.precision):
                logits = self._forward(*part[:-1])
            share = self._loss(logits.float(), part[-1]) * (len(part[-1]) / images)
            # Ranks' gradients are averaged, so each counts as if it were all of them.
            with nullcontext() if turn == len(parts) else unsent(self._forward):
                training.scaler.scale(share * world.size).backward()
            total += share.detach()
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
