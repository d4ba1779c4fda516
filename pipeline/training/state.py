"""All that a training carries from one epoch to the next."""

import copy
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.networks.device import resolve_precision, settle
from pipeline.training.average import Average
from pipeline.training.plan import Plan
from pipeline.training.records.kept import PLATEAU, cost, kept_epoch
from pipeline.training.schedule import Schedule, build_schedule


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


@dataclass
class Training:
    """A network that is being trained, and where that stands."""

    network: nn.Module
    plan: Plan
    device: torch.device
    precision: str
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    scaler: torch.amp.GradScaler
    """Of fp16's gradients; does nothing in other precisions."""
    average: Average | None
    micro_batch: int
    threads: int
    """That compute on a CPU: with other numbers of them the last digits are others."""
    steps: int
    """Of the optimiser, in an epoch."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """The weights of the epoch that is kept of those so far."""
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def judged(self) -> nn.Module:
        """The network whose weights may be kept."""
        return self.average.network if self.average else self.network

    def kept_epoch(self) -> Epoch | None:
        """Whose weights are kept of the epochs so far, by the plan's rule."""
        return kept_epoch(self.epochs, self.plan.keep)

    def is_over(self) -> bool:
        """Whether all epochs were run, or patience has ended."""
        done, kept = len(self.epochs), self.kept_epoch()
        waited = done - kept.epoch if kept else 0
        return done >= self.plan.epochs or waited >= self.plan.patience

    def add(self, epoch: Epoch) -> None:
        """Note an epoch, and the weights if they are to be kept; the schedule hears of it."""
        self.epochs.append(epoch)
        self.schedule.after_epoch(cost(epoch, self.plan.keep, PLATEAU))
        if self.kept_epoch() is epoch:
            self.best = copy.deepcopy(self.judged.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Everything, for a snapshot; of a training that is over, what it has come to.

        Random numbers have no state here: those of an epoch follow from the seed and its number.
        """
        come_to = {
            "micro_batch": self.micro_batch,
            "threads": self.threads,
            "best": self.best,
            "epochs": [asdict(epoch) for epoch in self.epochs],
        }
        if self.is_over():
            return come_to
        return come_to | {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state_dict() if self.average else {},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self.micro_batch = state["micro_batch"]
        self.threads = state["threads"]
        self.best = {name: value.to(self.device) for name, value in state["best"].items()}
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        if self.is_over():
            return
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average:
            self.average.load_state_dict(state["average"])


def begin(network: nn.Module, plan: Plan, *, steps: int) -> Training:
    """A training of which nothing is done yet; the network moves to its device.

    Args:
        network: to be trained in place.
        plan: its numbers.
        steps: of the optimiser, in an epoch.
    """
    device = settle(network)
    precision = resolve_precision(device, plan.precision)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True
    )
    schedule = build_schedule(
        plan.schedule, optimizer, steps=steps * plan.epochs, warmup=plan.warmup
    )
    return Training(
        network=network,
        plan=plan,
        device=device,
        precision=precision,
        optimizer=optimizer,
        schedule=schedule,
        scaler=torch.amp.GradScaler(device.type, enabled=precision == "fp16"),
        average=Average(network, plan.ema) if plan.ema else None,
        micro_batch=plan.micro_batch or plan.batch_size,
        threads=plan.threads or torch.get_num_threads(),
        steps=steps,
    )
