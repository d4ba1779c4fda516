"""The training loop: what moves, what must not, and what stops it."""

import dataclasses

import pytest
import torch
from branches import ALL, CASCADES, each_kind, make_branch, of_each, some_images
from made_tasks import SMALL, branch, images, linear, task, vectors
from torch import nn
from training_numbers import PLAN

from pipeline.training.failure import TrainingError
from pipeline.training.fit import fit
from pipeline.training.losses import LOSSES
from pipeline.training.predict import predict_logits
from pipeline.training.processes.distributed import World
from pipeline.training.schedule import (
    SCHEDULES,
    Schedule,
    build_schedule,
    release,
    released_blocks,
)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_learnable_task_is_learnt_under_every_schedule(schedule):
    numbers = {"epochs": 30, "batch_size": 32, "learning_rate": 0.03}
    plan = dataclasses.replace(PLAN, schedule=schedule, **numbers)
    epochs = list(fit(linear(), task(vectors, rows=256), plan))
    assert epochs[-1].val_auroc > 0.9
    assert epochs[-1].val_loss < epochs[0].val_loss
    assert [epoch.epoch for epoch in epochs] == list(range(1, len(epochs) + 1))


def test_the_same_seed_gives_the_same_weights_bit_for_bit():
    trained = []
    for _ in range(2):
        network = branch()
        list(fit(network, task(images, rows=16), PLAN))
        trained.append(network.state_dict())
    for name, value in trained[0].items():
        assert torch.equal(value, trained[1][name]), name


def test_the_weights_of_the_best_epoch_are_kept():
    network, what = linear(), task(vectors)
    plan = dataclasses.replace(PLAN, epochs=40, learning_rate=0.1, patience=40)
    epochs = list(fit(network, what, plan))
    logits = predict_logits(network, what.val.inputs, precision="fp32")
    best = min(epoch.val_loss for epoch in epochs)
    assert float(what.loss(logits, what.val.targets)) == pytest.approx(best)
    assert best < epochs[-1].val_loss


def test_training_stops_when_patience_ends():
    plan = dataclasses.replace(PLAN, epochs=50, learning_rate=1.0, patience=2)
    epochs = list(fit(linear(), task(vectors), plan))
    best = min(epochs, key=lambda epoch: epoch.val_loss)
    assert epochs[-1].epoch == best.epoch + 2 < 50


def test_a_loss_that_is_not_finite_stops_with_its_place():
    poison = task(vectors, augment=lambda inputs, _: (inputs[0] * float("nan"),))
    with pytest.raises(TrainingError, match="step 1 of epoch 1: already the first one"):
        list(fit(linear(), poison, PLAN))


def test_a_loss_that_has_risen_first_tells_of_the_learning_rate():
    calls = []

    def augment(inputs, _):
        calls.append(1)
        return (inputs[0] * 1e12 ** (len(calls) - 1),)

    with pytest.raises(TrainingError, match=r"step 5 of epoch 1: it had risen from 0\..* to .*"):
        list(fit(linear(), task(vectors, augment=augment), PLAN))


def test_a_loss_that_had_not_risen_tells_of_the_precision():
    calls = []

    def augment(inputs, _):
        calls.append(1)
        return (inputs[0] * (float("inf") if len(calls) == 11 else 1),)

    plan = dataclasses.replace(PLAN, precision="bf16")
    with pytest.raises(TrainingError, match=r"step 3 of epoch 2: a lower .*0.01.* or .* fp32"):
        list(fit(linear(), task(vectors, augment=augment), plan))


def test_more_processes_than_images_in_a_batch_are_refused(monkeypatch):
    monkeypatch.setattr("pipeline.training.fit.join", lambda: World(0, 9))
    with pytest.raises(TrainingError, match="9 processes cannot share batches of 8 images"):
        next(fit(linear(), task(vectors), PLAN))


def test_a_validation_loss_that_is_not_finite_stops_too():
    what = task(vectors)
    poisoned = dataclasses.replace(what.val, inputs=(what.val.inputs[0] * float("inf"),))
    with pytest.raises(TrainingError, match="validation loss is not finite after epoch 1"):
        list(fit(linear(), dataclasses.replace(what, val=poisoned), PLAN))


def test_blocks_are_released_one_an_epoch_last_first():
    found = [released_blocks(epoch, head_epochs=2, blocks=3) for epoch in range(1, 8)]
    assert found == [0, 0, 1, 2, 3, 3, 3]
    assert released_blocks(1, head_epochs=0, blocks=3) == 3


def layers(block):
    """Its modules, but for the lists in which those of timm's are kept."""
    lists = (nn.ModuleList, nn.ParameterList)
    return [module for module in block.modules() if not isinstance(module, lists)]


def parameters_of(blocks):
    return {id(p) for block in blocks for p in block.parameters()}


# Each kind of backbone cuts itself into blocks in a function of its own; all of them are built,
# and look at images, in networks/test_branch.py.
DIVIDED = each_kind(name for name in ALL if name not in ("resnext101", *CASCADES[:2]))


@of_each(DIVIDED)
def test_gradients_are_where_and_only_where_blocks_are_released(name):
    network, images_ = make_branch(name, size=32), some_images(2, size=32)
    total = len(network.blocks)
    head = {id(p) for part in (network.readout, network.head) for p in part.parameters()}
    for count in sorted({0, 1, total // 2, total}):
        network.zero_grad()
        release(network, count)
        network(images_).square().sum().backward()
        expected = head | parameters_of(network.blocks[total - count :])
        found = {id(p) for p in network.parameters() if p.grad is not None}
        assert found == expected
        frozen, released = network.blocks[: total - count], network.blocks[total - count :]
        assert not any(m.training for block in frozen for m in layers(block))
        assert all(m.training for block in released for m in layers(block))


@of_each(DIVIDED)
def test_frozen_blocks_keep_weights_and_batchnorm_statistics(name):
    """One epoch of the head alone, then one with the last block."""
    network = make_branch(name, size=32)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    plan = dataclasses.replace(PLAN, head_epochs=1, epochs=2, patience=3, learning_rate=0.001)
    epochs = fit(network, task(images, rows=8, val_rows=8), plan)
    movable = {id(v) for part in (network.readout, network.head) for v in part.parameters()}
    for released in (0, 1):
        assert next(epochs).released_blocks == released
        state = network.state_dict(keep_vars=True)
        moved = {key: id(v) for key, v in state.items() if not torch.equal(v.cpu(), before[key])}
        assert set(moved.values()) <= movable
        assert moved
        if released:
            statistics = {id(v) for v in network.blocks[-1].buffers()}
            assert bool(statistics) == bool(statistics & set(moved.values()))
        last = network.blocks[-1]
        movable |= {id(v) for v in (*last.parameters(), *last.buffers())}


def test_optimiser_and_scheduler_keep_their_state_when_blocks_are_released(monkeypatch):
    """Every parameter has one optimiser for good: what has been learnt of it is not forgotten."""
    seen = []
    step = torch.optim.AdamW.step

    def watched(self, *args, **kwargs):
        done = step(self, *args, **kwargs)
        head = next(p for p in self.param_groups[0]["params"] if p.shape == shape)
        seen.append((id(self), float(self.state[head]["step"]), len(self.state)))
        return done

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    plan = dataclasses.replace(PLAN, head_epochs=1, epochs=3)
    network = branch()
    shape = network.head.weight.shape
    list(fit(network, task(images, rows=16), plan))
    optimizers, steps, known = zip(*seen, strict=True)
    assert len(set(optimizers)) == 1
    assert list(steps) == [1, 2, 3, 4, 5, 6]
    assert known[0] == known[1] == 2  # weight and bias of the head
    assert known[1] < known[2] < known[4]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", ["mobilenet_v2", "capsnet", SMALL, f"{SMALL}_capsnet"])
def test_one_optimiser_and_one_scheduler_see_every_step_and_epoch(monkeypatch, name, schedule):
    built, calls = [], {"step": 0, "epoch": 0}

    def watched(kind, optimizer, **numbers):
        built.append(optimizer)
        real = build_schedule(kind, optimizer, **numbers)

        def after_step():
            calls["step"] += 1
            real.after_step()

        def after_epoch(val_loss):
            calls["epoch"] += 1
            real.after_epoch(val_loss)

        return Schedule(after_step, after_epoch, real.scheduler)

    monkeypatch.setattr("pipeline.training.state.build_schedule", watched)
    plan = dataclasses.replace(
        PLAN, head_epochs=1, epochs=3, schedule=schedule, learning_rate=1e-4, batch_size=3
    )
    what = task(images, rows=6, val_rows=4)
    epochs = list(fit(make_branch(name, size=32), what, plan))
    assert [epoch.released_blocks for epoch in epochs][:2] == [0, 1]
    assert len(built) == 1
    assert calls == {"step": 6, "epoch": 3}


def test_plateau_counts_bad_epochs_across_a_release(monkeypatch):
    """Two bad epochs of the head alone and one of the next block are three."""
    monkeypatch.setattr("pipeline.training.fit._validate", lambda *_, **__: (next(losses), 0.5))
    losses = iter([1.0, 2.0, 2.0, 2.0, 2.0])
    plan = dataclasses.replace(PLAN, head_epochs=3, epochs=5, schedule="plateau")
    rates = [epoch.learning_rate for epoch in fit(branch(), task(images, rows=8), plan)]
    assert rates == pytest.approx([0.01, 0.01, 0.01, 0.002, 0.0002])


def test_deterministic_gives_the_same_weights_and_leaves_pytorch_as_it_was():
    trained = []
    for deterministic in (True, True, False):
        network = branch()
        plan = dataclasses.replace(PLAN, deterministic=deterministic, epochs=2)
        for _ in fit(network, task(images, rows=16), plan):
            assert torch.are_deterministic_algorithms_enabled() == deterministic
            assert torch.backends.cudnn.benchmark != deterministic
        assert not torch.are_deterministic_algorithms_enabled()
        trained.append(network.state_dict())
    for again in trained[1:]:  # a CPU repeats itself in any case
        assert all(torch.equal(value, again[name]) for name, value in trained[0].items())


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "capsnet", "resnet18_capsnet"])
def test_a_gpu_repeats_itself_to_the_bit_if_it_must(name):
    trained = []
    for _ in range(2):
        network = make_branch(name, size=64)
        plan = dataclasses.replace(PLAN, deterministic=True, precision="auto")
        list(fit(network, task(images, rows=64), plan))
        trained.append(network.state_dict())
    assert all(torch.equal(value, trained[1][key]) for key, value in trained[0].items())


def test_dropout_and_stochastic_depth_follow_the_seed():
    trained = []
    for _ in range(2):
        torch.manual_seed(len(trained))  # whatever else has drawn numbers before
        network = make_branch("convnext_tiny", size=32)
        what = task(images, rows=8, val_rows=4)
        list(fit(network, what, dataclasses.replace(PLAN, epochs=1)))
        trained.append(network.state_dict())
    assert all(torch.equal(value, trained[1][key]) for key, value in trained[0].items())


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ["mobilenet_v2", "capsnet", f"{SMALL}_capsnet"])
def test_every_loss_falls_on_every_kind_of_branch(loss, name):
    network = make_branch(name, size=32)
    what = task(images, rows=8, loss=loss, val_rows=4)
    network.start_at(torch.zeros(14))
    plan = dataclasses.replace(PLAN, epochs=2, batch_size=16, learning_rate=0.001)
    epochs = list(fit(network, what, plan))
    assert epochs[-1].train_loss < epochs[0].train_loss


def test_the_learning_rate_falls_once_when_the_first_block_is_released():
    plan = dataclasses.replace(PLAN, head_epochs=2, epochs=4)
    epochs = list(fit(branch(), task(images, rows=16), plan))
    rates = [epoch.learning_rate for epoch in epochs]
    assert rates == pytest.approx([0.01, 0.01, 0.002, 0.002])
    assert [epoch.released_blocks for epoch in epochs] == [0, 0, 1, 2]


def test_release_is_the_head_alone_at_zero():
    network = branch("mobilenet_v2")
    release(network, 0)
    learning = {name for name, p in network.named_parameters() if p.requires_grad}
    assert learning == {"head.weight", "head.bias"}
    assert not any(block.training for block in network.blocks)
