"""The training loop: what moves, what must not, and what stops it."""

import dataclasses

import pytest
import torch
from torch import nn

from pipeline.findings import FINDINGS
from pipeline.networks.branch import BranchSpec, build_branch
from pipeline.training.augment import to_unit
from pipeline.training.examples import Examples, as_float
from pipeline.training.fit import Recipe, Task, TrainingError, fit, predict_logits
from pipeline.training.losses import build_loss
from pipeline.training.schedule import SCHEDULES, release, released_blocks

RECIPE = Recipe(
    epochs=3,
    batch_size=8,
    learning_rate=0.01,
    weight_decay=0.01,
    schedule="constant",
    head_epochs=0,
    patience=10,
    precision="fp32",
    seed=1,
)


def vectors(rows, seed, split="train"):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(rows, 20, generator=generator)
    targets = (inputs[:, :14] + 0.3 * torch.randn(rows, 14, generator=generator) > 0).float()
    return Examples([f"{i}" for i in range(rows)], split, inputs, targets)


def images(rows, seed, split="train"):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(0, 256, (rows, 1, 32, 32), generator=generator, dtype=torch.uint8)
    targets = (torch.rand(rows, 14, generator=generator) < 0.5).float()
    return Examples([f"{i}" for i in range(rows)], split, inputs, targets)


def task(make, rows=64, prepare=as_float, augment=lambda inputs, _: inputs):
    train = make(rows, 0)
    return Task(train, make(32, 1, "val"), prepare, augment, build_loss("bce", train.targets).loss)


def linear():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(20, 14)


def branch(name="mobilenet_v2"):
    return build_branch(
        BranchSpec(name, FINDINGS, 16, 32, standardise=False), weights=None, seed=0
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_learnable_task_is_learnt_under_every_schedule(schedule):
    recipe = dataclasses.replace(RECIPE, schedule=schedule, epochs=30, learning_rate=0.03)
    epochs = list(fit(linear(), task(vectors, rows=256), recipe))
    assert epochs[-1].val_auroc > 0.9
    assert epochs[-1].val_loss < epochs[0].val_loss
    assert [epoch.epoch for epoch in epochs] == list(range(1, len(epochs) + 1))


def test_the_same_seed_gives_the_same_weights_bit_for_bit():
    trained = []
    for _ in range(2):
        network = branch()
        list(fit(network, task(images, rows=16, prepare=to_unit), RECIPE))
        trained.append(network.state_dict())
    for name, value in trained[0].items():
        assert torch.equal(value, trained[1][name]), name


def test_the_weights_of_the_best_epoch_are_kept():
    network, what = linear(), task(vectors)
    recipe = dataclasses.replace(RECIPE, epochs=40, learning_rate=0.1, patience=40)
    epochs = list(fit(network, what, recipe))
    logits = predict_logits(network, what.val.inputs, as_float, precision="fp32")
    best = min(epoch.val_loss for epoch in epochs)
    assert float(what.loss(logits, what.val.targets)) == pytest.approx(best)
    assert best < epochs[-1].val_loss


def test_training_stops_when_patience_ends():
    recipe = dataclasses.replace(RECIPE, epochs=50, learning_rate=1.0, patience=2)
    epochs = list(fit(linear(), task(vectors), recipe))
    best = min(epochs, key=lambda epoch: epoch.val_loss)
    assert epochs[-1].epoch == best.epoch + 2 < 50


def test_a_loss_that_is_not_finite_stops_with_its_place():
    poison = task(vectors, augment=lambda inputs, _: inputs * float("nan"))
    with pytest.raises(TrainingError, match="step 1 of epoch 1"):
        list(fit(linear(), poison, RECIPE))


def test_a_validation_loss_that_is_not_finite_stops_too():
    what = task(vectors)
    poisoned = dataclasses.replace(what.val, inputs=what.val.inputs * float("inf"))
    with pytest.raises(TrainingError, match="validation loss is not finite after epoch 1"):
        list(fit(linear(), dataclasses.replace(what, val=poisoned), RECIPE))


def test_blocks_are_released_one_an_epoch_last_first():
    found = [released_blocks(epoch, head_epochs=2, blocks=3) for epoch in range(1, 8)]
    assert found == [0, 0, 1, 2, 3, 3, 3]
    assert released_blocks(1, head_epochs=0, blocks=3) == 3


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18"])
def test_frozen_blocks_keep_weights_and_batchnorm_statistics(name):
    network = branch(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    recipe = dataclasses.replace(RECIPE, head_epochs=2, epochs=3, patience=3)
    epochs = fit(network, task(images, rows=16, prepare=to_unit), recipe)
    [next(epochs) for _ in range(3)]
    last = f"features.{list(network.features._modules)[-1]}."
    moved = {k for k, v in network.state_dict().items() if not torch.equal(v.cpu(), before[k])}
    assert all(key.startswith(("head.", last)) for key in moved)
    assert {"head.weight"} < moved


def test_the_learning_rate_falls_once_when_the_first_block_is_released():
    recipe = dataclasses.replace(RECIPE, head_epochs=2, epochs=4)
    epochs = list(fit(branch(), task(images, rows=16, prepare=to_unit), recipe))
    rates = [epoch.learning_rate for epoch in epochs]
    assert rates == pytest.approx([0.01, 0.01, 0.002, 0.002])
    assert [epoch.released_blocks for epoch in epochs] == [0, 0, 1, 2]


def test_release_is_the_head_alone_at_zero():
    network = branch()
    release(network, 0)
    learning = {name for name, p in network.named_parameters() if p.requires_grad}
    assert learning == {"head.weight", "head.bias"}
    assert not any(block.training for block in network.blocks)
