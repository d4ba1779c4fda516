"""The least that training can cost: forward, backward and step on one batch that is there."""

import time

import torch
from torch import Tensor, nn

from benchmarks.machine import wait_for_device
from benchmarks.setup import SIZE, loss, make_plan, random_targets
from pipeline.networks.device import autocast
from pipeline.training.state import begin


class Bare:
    """A network and a batch, on the device."""

    def __init__(self, network: nn.Module, batch: int) -> None:
        torch.backends.cudnn.benchmark = True  # as `fit` has it
        self._training = begin(network.train(), make_plan(batch, epochs=1), steps=1)
        device = self._training.device
        self._images = torch.rand(batch, 1, SIZE, SIZE, device=device)
        self._targets = random_targets(batch).to(device)

    def images_per_second(self, steps: int) -> float:
        """Over so many steps."""
        wait_for_device()
        started = time.perf_counter()
        for _ in range(steps):
            self._step(self._images, self._targets)
        wait_for_device()
        return steps * len(self._images) / (time.perf_counter() - started)

    def step_on(self, images: Tensor, targets: Tensor) -> None:
        """One step on a batch that has to be sent to the device first; colour becomes grey."""
        device = self._training.device
        sent = images.to(device, non_blocking=True)
        self._step(sent[:, :1].contiguous(), targets.to(device, non_blocking=True))

    def _step(self, images: Tensor, targets: Tensor) -> None:
        training = self._training
        training.optimizer.zero_grad()
        with autocast(training.device, training.precision):
            logits = training.network(images)
        value = loss(logits.float(), targets)
        training.scaler.scale(value).backward()
        training.scaler.step(training.optimizer)
        training.scaler.update()
