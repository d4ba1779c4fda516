"""Trains small networks of several kinds and writes what came out; run by torchrun, or alone."""

import dataclasses
import json
import os
import sys
from pathlib import Path

import torch
from branches import make_branch
from loss_numbers import NUMBERS
from made_tasks import images, joint, joint_task
from torch import nn
from training_numbers import NO_CHANGE, PLAN

from pipeline.networks.augment import augmentation
from pipeline.training.fit import Task, fit
from pipeline.training.losses import build_loss
from pipeline.training.plan import Plan
from pipeline.training.processes.distributed import join, leave
from pipeline.training.records.snapshots import Snapshots

KINDS = {
    "whole": ("timm:test_byobnet", {"schedule": "cosine"}),
    "in parts": ("timm:test_efficientnet", {"batch_size": 16, "micro_batch": 8, "ema": 0.9}),
    "capsules": ("capsnet", {"learning_rate": 1e-3}),
    "joint": ("joint", {"batch_size": 8}),
    "unknown labels": ("timm:test_byobnet", {"batch_size": 16, "micro_batch": 8}),
    "half frozen": ("timm:test_resnet", {"head_epochs": 1, "learning_rate": 1e-3}),
}
"""Backbones and what is special in their training; a micro-batch is of all ranks together.

Small ones: BatchNorm of PyTorch and of timm, groups, capsules, two branches. What is shared
between ranks is the trainer's, whatever the size of the network.
"""

SIZE = 48


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    os.environ["DVC_ROOT"] = str(folder)
    world = join()
    train, val = images(23, 0, size=SIZE), images(13, 1, "val", size=SIZE)
    change = NO_CHANGE.model_copy(update={"flip": 0.5, "rotation_degrees": 15.0})
    loss = build_loss("bce", train.targets, NUMBERS).loss
    tasks = {"joint": joint_task(20, augmentation(change, alpha=False), size=SIZE)}
    plain = Task(train, val, loss, augmentation(change, alpha=False))
    tasks["unknown labels"] = partly_known(plain)
    for kind, (backbone, special) in KINDS.items():
        values = {"batch_size": 11, "learning_rate": 1e-5, "epochs": 2} | special
        if "micro_batch" in special:
            values["micro_batch"] = special["micro_batch"] // world.size
        plan, task = (
            dataclasses.replace(PLAN, **values),
            tasks.get(kind, tasks.get(backbone, plain)),
        )
        epochs = fit(make(backbone), task, plan, snapshots=Snapshots(kind))
        next(epochs)  # and there it is stopped, with a snapshot
        epochs.close()
        network = make(backbone)
        records = list(fit(network, task, plan, snapshots=Snapshots(kind)))
        epochs = [dataclasses.asdict(record) for record in records]
        found = {"epochs": epochs, "weights": network.state_dict()}
        found["start"] = make(backbone).state_dict()
        found["gradient"] = gradient(make(backbone), task, plan)
        torch.save(found, folder / f"{kind}-{world.rank}.pt")
    leave()
    (folder / "left.json").write_text(json.dumps(world.rank))  # only one is still here


def partly_known(task: Task) -> Task:
    """The same, of which labels are unknown: of some images all, so that parts differ."""
    train, val = (
        dataclasses.replace(one, targets=one.targets.clone()) for one in (task.train, task.val)
    )
    for one in (train, val):
        one.targets[::2, 3:] = torch.nan
        one.targets[::5] = torch.nan
    loss = build_loss("bce", train.targets, NUMBERS).loss
    return Task(train, val, loss, task.augment)


def make(backbone: str) -> nn.Module:
    return joint("linear") if backbone == "joint" else make_branch(backbone, size=SIZE)


def gradient(network: nn.Module, task: Task, plan: Plan) -> torch.Tensor:
    """Of the first step, of all that learns in it, as AdamW has been given it."""
    rows = torch.arange(plan.batch_size)
    train = dataclasses.replace(
        task.train,
        image_index=task.train.image_index[: len(rows)],
        inputs=tuple(one[rows] for one in task.train.inputs),
        targets=task.train.targets[rows],
    )
    one_step = dataclasses.replace(plan, epochs=1)
    list(fit(network, dataclasses.replace(task, train=train), one_step))
    grads = [value.grad for value in network.parameters() if value.grad is not None]
    return torch.cat([grad.flatten() for grad in grads])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
