"""Small things to learn: vectors and images with targets."""

import copy
import dataclasses
from functools import cache, lru_cache

import torch
from loss_numbers import NUMBERS
from torch import nn

from pipeline.base.findings import FINDINGS
from pipeline.fusion.head import FusionSpec, build_fusion, join_branches
from pipeline.networks.augment import as_they_are
from pipeline.networks.branch import BranchSpec, build_branch
from pipeline.training.data.examples import Examples
from pipeline.training.fit import Task
from pipeline.training.losses import build_loss


def vectors(rows, seed, split="train"):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(rows, 20, generator=generator)
    targets = (inputs[:, :14] + 0.3 * torch.randn(rows, 14, generator=generator) > 0).float()
    return Examples([f"{i}" for i in range(rows)], split, (inputs,), targets)


def images(rows, seed, split="train", size=32):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(0, 256, (rows, 1, size, size), generator=generator, dtype=torch.uint8)
    targets = (torch.rand(rows, 14, generator=generator) < 0.5).float()
    return Examples([f"{i}" for i in range(rows)], split, (inputs,), targets)


def task(make, rows=64, augment=as_they_are, loss="bce", val_rows=32):
    return Task(make(rows, 0), make(val_rows, 1, "val"), fitted_loss(loss, make, rows), augment)


@cache
def fitted_loss(name, make, rows):
    """Of the training rows that `make` makes; to find where a head should start takes a while."""
    return build_loss(name, make(rows, 0).targets, NUMBERS).loss


def linear():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(20, 14)


SMALL = "timm:test_efficientnet"
"""0.1 million weights in blocks with BatchNorm: a branch where any branch will do."""


def branch(name=SMALL):
    """One to train: a copy of one that need not be built each time."""
    return copy.deepcopy(_built(name))


@lru_cache(maxsize=4)
def _built(name):
    return build_branch(
        BranchSpec(name, FINDINGS, 16, 32, standardise=False), weights=None, seed=0
    )


def without_batch_norm():
    """A small network of which no layer lets an image see another."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 8, 3),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 14),
        )  # fmt: skip


def joint(head="mlp"):
    """Both branches and a fusion head, as the stage builds them; an mlp has dropout."""
    global_, local = branch(), branch("timm:test_byobnet")
    inputs = global_.head.in_features + local.head.in_features
    spec = FusionSpec(head, inputs, FINDINGS, 16, 0.5)
    fusion = build_fusion(spec, global_.head, local.head, seed=0)
    return join_branches(global_, local, fusion)


def joint_task(rows, augment=as_they_are, size=32):
    """Images, their crops and no metadata."""
    train, val = images(rows, 0, size=size), images(16, 1, "val", size=size)
    both = [
        dataclasses.replace(one, inputs=(*one.inputs, *one.inputs, torch.zeros(len(one), 0)))
        for one in (train, val)
    ]
    loss = build_loss("bce", train.targets, NUMBERS).loss
    return Task(both[0], both[1], loss, augment)
