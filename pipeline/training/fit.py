"""The training loop, for branches and fusion heads alike."""

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.networks.device import autocast, resolve_precision, settle
from pipeline.params.sections import LearningParams, TrainParams
from pipeline.training.augment import prepare
from pipeline.training.examples import Examples, Inputs
from pipeline.training.losses import Loss
from pipeline.training.schedule import (
    RELEASE_FACTOR,
    Schedule,
    build_schedule,
    release,
    released_blocks,
)
from pipeline.training.score import mean_auroc

log = logging.getLogger(__name__)

Augment = Callable[[Inputs, torch.Generator], Inputs]

_EVAL_BATCH = 256
_MEND = "a lower learning rate or precision fp32 usually helps"


class TrainingError(PipelineError):
    """Training cannot go on."""


@dataclass(frozen=True)
class Epoch:
    """What is known after an epoch."""

    epoch: int
    """From 1."""
    train_loss: float
    val_loss: float
    val_auroc: float
    learning_rate: float
    released_blocks: int
    images_per_second: float


@dataclass(frozen=True)
class Recipe:
    """How to train, apart from what and on what."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    schedule: str
    head_epochs: int
    patience: int
    precision: str
    seed: int


@dataclass(frozen=True)
class Task:
    """What a network is to learn, and from what."""

    train: Examples
    val: Examples
    loss: Loss
    """May take more columns than there are findings; the first ones are the logits."""
    augment: Augment
    """Of prepared inputs."""


def build_recipe(
    train: TrainParams, params: LearningParams, *, precision: str, seed: int, head_epochs: int = 0
) -> Recipe:
    """From what all networks share and what one has of its own."""
    return Recipe(
        epochs=params.epochs,
        batch_size=train.batch_size,
        learning_rate=params.learning_rate,
        weight_decay=train.weight_decay,
        schedule=params.schedule,
        head_epochs=head_epochs,
        patience=train.patience,
        precision=precision,
        seed=seed,
    )


def fit(network: nn.Module, task: Task, recipe: Recipe) -> Iterator[Epoch]:
    """Train `network` in place, an epoch per record.

    When the records are exhausted the network holds the weights of the epoch with the lowest
    validation loss and is in eval mode on the CPU.

    Raises:
        TrainingError: the loss is not finite.
    """
    device = settle(network)
    log.info("trains in %s on %s", resolve_precision(device, recipe.precision), device.type)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    steps = max(len(task.train) // recipe.batch_size, 1)
    schedule = build_schedule(recipe.schedule, optimizer, steps=steps * recipe.epochs)
    generator = torch.Generator().manual_seed(recipe.seed)
    best, best_loss, best_epoch = {}, float("inf"), 0
    for epoch in range(1, recipe.epochs + 1):
        started = time.monotonic()
        blocks = _release(network, optimizer, epoch, recipe)
        learning_rate = optimizer.param_groups[0]["lr"]
        with _seeded(generator, device):
            train_loss = _train_epoch(network, task, recipe, optimizer, schedule, generator)
        seconds = time.monotonic() - started
        _check_finite(train_loss, epoch)
        val_loss, val_auroc = _validate(network, task, recipe.precision, epoch)
        schedule.after_epoch(val_loss)
        if val_loss < best_loss:
            best, best_loss, best_epoch = copy.deepcopy(network.state_dict()), val_loss, epoch
        yield Epoch(
            epoch=epoch,
            train_loss=float(train_loss.mean()),
            val_loss=val_loss,
            val_auroc=val_auroc,
            learning_rate=learning_rate,
            released_blocks=blocks,
            images_per_second=steps * min(recipe.batch_size, len(task.train)) / seconds,
        )
        if epoch - best_epoch >= recipe.patience:
            break
    total = len(getattr(network, "blocks", ()))
    if blocks < total:
        log.info("%d of %d blocks were never released and are as they were", total - blocks, total)
    network.load_state_dict(best)
    network.cpu().eval()


def predict_logits(network: nn.Module, inputs: Inputs, *, precision: str) -> Float[Tensor, "n f"]:
    """Logits of all inputs, on the CPU, without gradients.

    The network moves to the default device and is put in eval mode.
    """
    device = settle(network)
    network.eval()
    logits = []
    with torch.inference_mode():
        for start in range(0, len(inputs[0]), _EVAL_BATCH):
            batch = tuple(one[start : start + _EVAL_BATCH].to(device) for one in inputs)
            with autocast(device, precision):
                logits.append(network(*prepare(batch)).float().cpu())
    return torch.cat(logits)


@contextmanager
def _seeded(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """PyTorch's own generators at a state that `generator` decides, and then as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        yield


def _release(
    network: nn.Module, optimizer: torch.optim.Optimizer, epoch: int, recipe: Recipe
) -> int:
    total = len(getattr(network, "blocks", []))
    count = released_blocks(epoch, head_epochs=recipe.head_epochs, blocks=total)
    release(network, count)
    if recipe.head_epochs and epoch == recipe.head_epochs + 1:
        for group in optimizer.param_groups:
            for key in {"lr", "max_lr", "initial_lr", "min_lr"} & group.keys():
                group[key] *= RELEASE_FACTOR
    return count


def _train_epoch(
    network: nn.Module,
    task: Task,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    generator: torch.Generator,
) -> Float[Tensor, " steps"]:
    """One pass over shuffled, whole batches; the loss of every step.

    Dropout and stochastic depth draw from PyTorch's own generator: `fit` seeds it for an epoch.
    """
    device = next(network.parameters()).device
    order = torch.randperm(len(task.train), generator=generator)
    batches = [b for b in order.split(recipe.batch_size) if len(b) == recipe.batch_size] or [order]
    losses = []
    for rows in batches:
        stored = tuple(one[rows].to(device) for one in task.train.inputs)
        inputs = task.augment(prepare(stored), generator)
        targets = task.train.targets[rows].to(device)
        with autocast(device, recipe.precision):
            logits = network(*inputs)
        value = task.loss(logits.float(), targets)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.after_step()
        losses.append(value.detach())
    return torch.stack(losses).cpu()


def _validate(network: nn.Module, task: Task, precision: str, epoch: int) -> tuple[float, float]:
    """Loss and mean AUROC on the validation images, never augmented."""
    val = task.val
    logits = predict_logits(network, val.inputs, precision=precision)
    value = float(task.loss(logits, val.targets))
    if not math.isfinite(value):
        raise TrainingError(f"the validation loss is not finite after epoch {epoch}; {_MEND}")
    scores = logits[:, : val.targets.shape[1]]
    return value, mean_auroc(val.targets.numpy().astype(bool), scores.numpy())


def _check_finite(losses: Float[Tensor, " steps"], epoch: int) -> None:
    bad = (~torch.isfinite(losses)).nonzero()
    if len(bad):
        raise TrainingError(
            f"the loss is not finite at step {int(bad[0]) + 1} of epoch {epoch}; {_MEND}"
        )
