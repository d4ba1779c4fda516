"""Learning rate and unfreezing, as functions of the epoch."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from pipeline.errors import ParamsError

RELEASE_FACTOR = 0.2
"""The learning rate is multiplied by this when the first block is released (the paper)."""


@dataclass(frozen=True)
class Schedule:
    """What to do to the learning rate."""

    after_step: Callable[[], None]
    after_epoch: Callable[[float], None]
    """Takes the validation loss."""


def one_cycle(optimizer: Optimizer, *, steps: int) -> Schedule:
    """Up to the learning rate in 10 % of the steps, then down to nothing (arXiv:1708.07120)."""
    peak = [group["lr"] for group in optimizer.param_groups]
    steps = max(steps, 3)  # fewer are no cycle; OneCycleLR divides by the steps of each leg
    scheduler = OneCycleLR(
        optimizer,
        max_lr=peak,
        total_steps=steps,
        pct_start=max(0.1, 2 / steps),
        cycle_momentum=False,
    )
    return Schedule(after_step=scheduler.step, after_epoch=lambda _: None)


def plateau(optimizer: Optimizer, *, steps: int) -> Schedule:  # noqa: ARG001
    """Times 0.1 after 3 epochs without a better validation loss (the paper)."""
    # PyTorch's patience is the number of bad epochs that it lets pass: the next one counts.
    scheduler = ReduceLROnPlateau(optimizer, factor=0.1, patience=2, threshold=0.0)
    return Schedule(after_step=lambda: None, after_epoch=scheduler.step)


def constant(optimizer: Optimizer, *, steps: int) -> Schedule:  # noqa: ARG001
    """The learning rate as it is."""
    return Schedule(after_step=lambda: None, after_epoch=lambda _: None)


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "one_cycle": one_cycle,
    "plateau": plateau,
    "constant": constant,
}


def build_schedule(name: str, optimizer: Optimizer, *, steps: int) -> Schedule:
    """The schedule `name` over `steps` steps.

    Raises:
        ParamsError: no schedule has that name.
    """
    if name not in SCHEDULES:
        raise ParamsError(f"schedule: unknown {name!r}; expected one of {', '.join(SCHEDULES)}")
    return SCHEDULES[name](optimizer, steps=steps)


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
    drops nothing out. Networks without blocks (the fusion head) learn as a whole.
    """
    network.train()
    blocks: tuple[nn.Module, ...] = getattr(network, "blocks", ())
    if count < len(blocks):
        features: nn.Module = getattr(network, "features", network)
        features.eval().requires_grad_(requires_grad=False)
    for block in blocks[len(blocks) - count :]:
        block.train().requires_grad_()
