"""Learning rate and unfreezing, as functions of steps and epochs."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from pipeline.errors import ParamsError

RELEASE_FACTOR = 0.2
"""The learning rate is multiplied by this when the first block is released (the paper)."""


@dataclass(frozen=True)
class Schedule:
    """What to do to the learning rate, and what it takes to go on with that later."""

    after_step: Callable[[], None]
    after_epoch: Callable[[float], None]
    """Takes a number that falls as epochs get better: `pipeline.training.records.kept.PLATEAU`."""
    scheduler: LRScheduler | None
    """Whose state is kept."""
    rising: int = 0
    """Steps in which the learning rate rises: the warm-up."""

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule stands."""
        return self.scheduler.state_dict() if self.scheduler else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        if self.scheduler:
            self.scheduler.load_state_dict(state)


def one_cycle(optimizer: Optimizer, *, steps: int, warmup: float) -> Schedule:
    """Up to the learning rate, then down to nothing, both as a cosine (arXiv:1708.07120)."""
    peak = [group["lr"] for group in optimizer.param_groups]
    steps = max(steps, 3)  # fewer are no cycle; OneCycleLR divides by the steps of each leg
    share = min(max(warmup, 2 / steps), 1 - 1 / steps)
    scheduler = OneCycleLR(
        optimizer, max_lr=peak, total_steps=steps, pct_start=share, cycle_momentum=False
    )
    return Schedule(scheduler.step, lambda _: None, scheduler, rising=round(share * steps))


def cosine(optimizer: Optimizer, *, steps: int, warmup: float) -> Schedule:
    """Up to the learning rate in equal steps, then down to nothing as a cosine.

    Loshchilov and Hutter (arXiv:1608.03983, Eq. 5, one period) behind the warm-up of Goyal et al.
    (arXiv:1706.02677, Sec. 2.2).
    """
    rising = round(warmup * steps)

    def share(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        done = (step - rising) / max(steps - rising, 1)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

    scheduler = LambdaLR(optimizer, share)
    return Schedule(scheduler.step, lambda _: None, scheduler, rising=rising)


def plateau(optimizer: Optimizer, *, steps: int, warmup: float) -> Schedule:  # noqa: ARG001
    """Times 0.1 after 3 epochs that are no better: by validation loss in the paper."""
    # PyTorch's patience is the number of bad epochs that it lets pass: the next one counts.
    scheduler = ReduceLROnPlateau(optimizer, factor=0.1, patience=2, threshold=0.0)
    return Schedule(lambda: None, scheduler.step, scheduler)


def constant(optimizer: Optimizer, *, steps: int, warmup: float) -> Schedule:  # noqa: ARG001
    """The learning rate as it is."""
    return Schedule(lambda: None, lambda _: None, None)


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "one_cycle": one_cycle,
    "cosine": cosine,
    "plateau": plateau,
    "constant": constant,
}


def build_schedule(name: str, optimizer: Optimizer, *, steps: int, warmup: float) -> Schedule:
    """The schedule `name`.

    Args:
        name: an entry of `SCHEDULES`.
        optimizer: its learning rates are the highest ones.
        steps: of the whole training.
        warmup: share of the steps in which the learning rate rises.

    Raises:
        ParamsError: no schedule has that name.
    """
    if name not in SCHEDULES:
        raise ParamsError(f"schedule: unknown {name!r}; expected one of {', '.join(SCHEDULES)}")
    return SCHEDULES[name](optimizer, steps=steps, warmup=warmup)


def slow_down(optimizer: Optimizer, schedule: Schedule, factor: float) -> None:
    """Multiply the learning rate by `factor` from now on, whatever the schedule does to it."""
    for group in optimizer.param_groups:
        for key in {"lr", "max_lr", "initial_lr", "min_lr"} & group.keys():
            group[key] *= factor
    if isinstance(schedule.scheduler, LambdaLR):  # which keeps the highest rates for itself
        schedule.scheduler.base_lrs = [rate * factor for rate in schedule.scheduler.base_lrs]


def blocks_of(network: nn.Module) -> tuple[nn.Module, ...]:
    """What is released one by one, first to last; a network without blocks learns as a whole."""
    return tuple(getattr(network, "blocks", ()))


def released_blocks(epoch: int, *, head_epochs: int, blocks: int) -> int:
    """How many blocks learn in `epoch`, which counts from 1.

    None in the first `head_epochs`, then one more each epoch (the paper: 4); all of them from
    the start if `head_epochs` is 0.
    """
    if head_epochs == 0:
        return blocks
    return min(max(epoch - head_epochs, 0), blocks)


def release(network: nn.Module, count: int) -> None:
    """Let the head and the last `count` blocks learn; put the rest in eval mode.

    A frozen block's BatchNorm then uses its running statistics and leaves them alone, and it
    drops nothing out.
    """
    network.train()
    blocks = blocks_of(network)
    if count < len(blocks):
        features: nn.Module = getattr(network, "features", network)
        features.eval().requires_grad_(requires_grad=False)
    for block in blocks[len(blocks) - count :]:
        block.train().requires_grad_()
