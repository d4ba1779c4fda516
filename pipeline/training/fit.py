"""The training loop, for branches and fusion heads alike."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pipeline.base.seeds import derive_seed
from pipeline.base.watching import watched
from pipeline.networks.augment import DRAWN, Augment, prepare
from pipeline.training.data.batches import cached, gathered
from pipeline.training.data.division import batch_sizes
from pipeline.training.data.examples import Examples
from pipeline.training.data.memory import largest_fit
from pipeline.training.data.watch import Watch, unwatched
from pipeline.training.failure import TrainingError, cause_of_what_is_not_finite, expect_finite
from pipeline.training.judging import expect_judgeable, mean_auroc
from pipeline.training.losses import Loss
from pipeline.training.plan import Plan
from pipeline.training.possible import expect_possible
from pipeline.training.predict import predict_logits
from pipeline.training.processes.distributed import World, join, parallel
from pipeline.training.records.digests import digest_of_network, digest_of_rows
from pipeline.training.records.snapshots import Snapshots
from pipeline.training.reproducible import computing_with, determinism, seeded
from pipeline.training.said import say_how, say_what_is_kept
from pipeline.training.schedule import (
    RELEASE_FACTOR,
    blocks_of,
    release,
    released_blocks,
    slow_down,
)
from pipeline.training.state import Epoch, Training, begin
from pipeline.training.step import Share, Step, parts_of

log = logging.getLogger(__name__)

_LOOK_EVERY = 250  # steps after which losses are looked at: a device is waited for then


@dataclass(frozen=True)
class Task:
    """What a network is to learn, and from what."""

    train: Examples
    val: Examples
    loss: Loss
    """May take more columns than there are findings; the first ones are the logits."""
    augment: Augment
    """Of prepared inputs."""


class Drawn(NamedTuple):
    """What chance decides on in an epoch."""

    order: Int[Tensor, " n"]
    numbers: Float[Tensor, "d n"]
    """That decide on how each image is augmented."""
    known: Float[Tensor, " steps"] | None
    """How many labels of each batch are known; None: all of them, of every batch."""


def fit(
    network: nn.Module,
    task: Task,
    plan: Plan,
    *,
    snapshots: Snapshots | None = None,
    watch: Watch = unwatched,
) -> Iterator[Epoch]:
    """Train `network` in place, an epoch per record.

    When the records are exhausted the network holds the weights of the epoch that `plan.keep`
    asks for, and is in eval mode on the CPU. Started by torchrun, all ranks train it
    together and hold the same in the end.

    Args:
        network: what is trained.
        task: on what.
        plan: how.
        snapshots: where it stands after each epoch. A training that was stopped goes on from
            there: it yields the epochs that it had once more, and ends with the same weights.
        watch: sees every batch of an epoch go by.

    Raises:
        TrainingError: the loss is not finite, or memory does not suffice.
        CohortError: no finding has both classes among the validation images.
    """
    expect_judgeable(task.val.targets, split=task.val.split)
    with determinism(plan.deterministic):
        world = join()
        sizes = batch_sizes(len(task.train), plan.batch_size)
        expect_possible(network, plan, world, smallest_batch=min(sizes))
        training = begin(network, plan, steps=len(sizes))
        training.threads = world.agree(training.threads)
        _restore(training, task, world, snapshots)
        yield from list(training.epochs)
        if not training.is_over():
            with computing_with(training.threads):
                yield from _go_on(training, task, world, watch, snapshots)
    _finish(training)


def _go_on(
    training: Training, task: Task, world: World, watch: Watch, snapshots: Snapshots | None
) -> Iterator[Epoch]:
    """The epochs that are still to come."""
    mode = training.plan.device_cache
    train, val = cached([task.train, task.val], training.device, mode=mode)
    task = replace(task, train=train, val=val)
    say_how(training)
    while not training.is_over():
        epoch = _run_epoch(training, task, world, watch)
        _keep(training, world, snapshots)
        yield epoch


def _restore(training: Training, task: Task, world: World, snapshots: Snapshots | None) -> None:
    """Go on from a snapshot if there is one; else find out how many images fit into memory."""
    state = None
    if snapshots and world.rank == 0:
        where = (training.precision, training.device.type, str(world.size))
        data = [
            digest_of_rows(rows)
            for one in (task.train, task.val)
            for rows in (*one.inputs, one.targets)
        ]
        plan = repr(replace(training.plan, device_cache="any"))
        state = snapshots.load(plan, *where, digest_of_network(training.network), *data)
    state = world.agree(state)
    if state is not None:
        own = training.threads
        training.load_state_dict(state)
        if training.threads != own:
            log.info(
                "computes with %d thread(s) as the run that it goes on with, not with %d, which "
                "would change the last digits", training.threads, own,
            )  # fmt: skip
    elif training.plan.micro_batch is None:
        training.micro_batch = world.agree(_largest_fit(training, task, world))


def _keep(training: Training, world: World, snapshots: Snapshots | None) -> None:
    if snapshots and world.rank == 0:
        snapshots.save(training.state_dict(), epoch=len(training.epochs))


def _finish(training: Training) -> None:
    network = training.network
    say_what_is_kept(training)
    network.load_state_dict(training.best)
    network.cpu().eval()


def _largest_fit(training: Training, task: Task, world: World) -> int:
    release(training.network, len(blocks_of(training.network)))  # it will come to that
    four = torch.arange(4) % len(task.train)
    inputs = prepare(tuple(rows[four].to(training.device) for rows in task.train.inputs))
    largest = max(batch_sizes(len(task.train), training.plan.batch_size))
    share = -(-largest // world.size)
    return largest_fit(training.network, inputs, precision=training.precision, at_most=share)


def _run_epoch(training: Training, task: Task, world: World, watch: Watch) -> Epoch:
    """Train and judge: the next epoch of a training, noted in it."""
    number = len(training.epochs) + 1
    started = time.monotonic()
    blocks = _release(training, number)
    learning_rate = training.optimizer.param_groups[0]["lr"]
    drawn = _draw(training, task, epoch=number)
    losses = _train(training, task, world, watch, drawn, epoch=number)
    seconds = time.monotonic() - started
    val_loss, val_auroc = _validate(training, task, world, epoch=number)
    epoch = Epoch(
        epoch=number,
        train_loss=_mean(losses, training, task, drawn.known),
        val_loss=val_loss,
        val_auroc=val_auroc,
        learning_rate=learning_rate,
        released_blocks=blocks,
        images_per_second=len(task.train) / seconds,
    )
    training.add(epoch)
    return epoch


def _release(training: Training, epoch: int) -> int:
    network, head_epochs = training.network, training.plan.head_epochs
    blocks = len(blocks_of(network))
    count = released_blocks(epoch, head_epochs=head_epochs, blocks=blocks)
    release(network, count)
    if head_epochs and epoch == head_epochs + 1:
        slow_down(training.optimizer, training.schedule, RELEASE_FACTOR)
    return count


def _train(
    training: Training,
    task: Task,
    world: World,
    watch: Watch,
    drawn: Drawn,
    *,
    epoch: int,
) -> Float[Tensor, " steps"]:
    """One pass over all images in shuffled batches; the loss of every step.

    What is random follows from the seed and the number of the epoch alone, on whatever device, in
    whatever parts and by however many ranks it is computed: what is drawn; and dropout and
    stochastic depth, which draw from PyTorch's own generator.
    """
    device, seed = training.device, derive_seed(training.plan.seed, f"epoch {epoch}")
    order, numbers, known = drawn
    sizes = batch_sizes(len(order), training.plan.batch_size)
    mine = [
        torch.cat(parts_of(places, world, micro_batch=training.micro_batch))
        for places in torch.arange(len(order)).split(sizes)
    ]
    stored = gathered((*task.train.inputs, task.train.targets), [order[p] for p in mine], device)
    chance = numbers[:, torch.cat(mine)].to(device).split([len(places) for places in mine], dim=1)
    forward = _forward(training, world)
    step = Step(training, task.loss, task.augment, world, forward)
    seen = watched(stored, watch(epoch=epoch, sizes=sizes))
    labels = [None] * len(sizes) if known is None else known.tolist()
    losses = []
    with seeded(device, derive_seed(seed, f"rank {world.rank}")):
        for (*inputs, targets), part, size, of in zip(seen, chance, sizes, labels, strict=True):
            losses.append(step(Share(tuple(inputs), targets, part, images=size, known=of)))
            if len(losses) % _LOOK_EVERY == 0:
                expect_finite(_together(losses, world), epoch, training)
        together = _together(losses, world)
    expect_finite(together, epoch, training)
    return together


def _draw(training: Training, task: Task, *, epoch: int) -> Drawn:
    seed = derive_seed(training.plan.seed, f"epoch {epoch}")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(task.train), generator=generator)
    numbers = torch.rand(DRAWN, len(order), generator=generator)
    return Drawn(order, numbers, _known(task.train.targets, order, training.plan.batch_size))


def _known(
    targets: Float[Tensor, "n f"], order: Int[Tensor, " n"], batch_size: int
) -> Float[Tensor, " steps"] | None:
    unknown = targets.isnan()
    if not unknown.any():
        return None
    each = (~unknown).sum(dim=1).cpu()[order]
    sizes = batch_sizes(len(order), batch_size)
    return torch.stack([batch.sum() for batch in each.split(sizes)]).float()


def _mean(
    losses: Float[Tensor, " steps"],
    training: Training,
    task: Task,
    known: Float[Tensor, " steps"] | None,
) -> float:
    """Of an epoch: batches weigh as many known labels as they have; if all are, images."""
    sizes = torch.tensor(batch_sizes(len(task.train), training.plan.batch_size)).float()
    weights = sizes if known is None else known
    return float(losses @ weights) / float(weights.sum())


def _together(losses: list[Tensor], world: World) -> Float[Tensor, " steps"]:
    """The losses of all ranks' parts, added up."""
    return world.total(torch.stack(losses)).cpu()


def _forward(training: Training, world: World) -> nn.Module:
    """The network as its training step calls it; compiled once all blocks are released."""
    network: Any = training.network
    if training.plan.compile and all(block.training for block in blocks_of(network)):
        network = torch.compile(network)
    return parallel(network, world)


def _validate(training: Training, task: Task, world: World, *, epoch: int) -> tuple[float, float]:
    """Loss and mean AUROC on all validation images, never augmented."""
    val = task.val
    logits = world.joined(
        predict_logits(
            training.judged,
            val.inputs,
            precision=training.precision,
            rows=world.part(torch.arange(len(val))),
        )
    )
    targets = val.targets.cpu()
    value = float(task.loss(logits, targets))
    if not math.isfinite(value):
        cause = cause_of_what_is_not_finite([], training)
        raise TrainingError(f"the validation loss is not finite after epoch {epoch}: {cause}")
    scores = logits[:, : targets.shape[1]]
    # Processors differ in the last digit; what follows from it must be the same for all ranks.
    return world.agree((value, mean_auroc(targets.numpy(), scores.numpy())))
