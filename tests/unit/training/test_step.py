"""A step is that of the whole batch, in whatever parts it is computed."""

import dataclasses
import logging
from contextlib import contextmanager

import pytest
import torch
from branches import make_branch
from made_tasks import branch, images, linear, task, vectors, without_batch_norm
from torch import nn
from training_numbers import NO_CHANGE, PLAN

from pipeline.networks.augment import DRAWN, augmentation
from pipeline.training.data import memory
from pipeline.training.data.memory import largest_fit
from pipeline.training.failure import TrainingError
from pipeline.training.fit import fit
from pipeline.training.processes.distributed import World, parallel
from pipeline.training.state import begin
from pipeline.training.step import Share, Step, parts_of

TURNED = augmentation(
    NO_CHANGE.model_copy(update={"flip": 0.5, "rotation_degrees": 15.0}), alpha=False
)


def trained(network, what, **numbers):
    epochs = list(fit(network, what, dataclasses.replace(PLAN, **numbers)))
    losses = [loss for epoch in epochs for loss in (epoch.train_loss, epoch.val_loss)]
    return losses, network.state_dict()


@pytest.mark.parametrize("rows", range(2, 30))
@pytest.mark.parametrize("micro_batch", [2, 3, 5, 64])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_parts_are_the_batch_none_larger_than_asked_no_turn_of_one_image(rows, micro_batch, size):
    if rows < size:
        pytest.skip("refused")
    batch = torch.arange(rows)
    ranks = [parts_of(batch, World(rank, size), micro_batch=micro_batch) for rank in range(size)]
    assert sorted(torch.cat([part for parts in ranks for part in parts]).tolist()) == list(
        range(rows)
    )
    sizes = [len(part) for parts in ranks for part in parts]
    assert max(sizes) <= micro_batch + (rows % 2 if micro_batch == 2 and size == 1 else 0)
    assert min(sizes) >= 1
    assert all(sum(map(len, turn)) >= 2 for turn in zip(*ranks, strict=True))
    assert len({len(parts) for parts in ranks}) == 1  # all ranks take turns together
    for parts in ranks:  # how a step cuts again what a rank has been given
        mine = torch.cat(parts)
        assert [len(part) for part in mine.tensor_split(len(parts))] == [len(p) for p in parts]


@pytest.mark.parametrize("micro_batch", [2, 3, 5])
def test_an_accumulated_step_is_the_step_of_the_whole_batch(micro_batch):
    what = task(images, rows=24, augment=TURNED)
    whole = trained(without_batch_norm(), what, batch_size=8, micro_batch=8, epochs=3)
    parts = trained(without_batch_norm(), what, batch_size=8, micro_batch=micro_batch, epochs=3)
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)
    for name, value in whole[1].items():
        torch.testing.assert_close(parts[1][name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["mobilenet_v2", "densenet121"])
def test_so_it_is_of_frozen_blocks_whose_batchnorm_sees_no_batch(name):
    what = task(images, rows=16, augment=TURNED)
    whole, parts = (
        trained(make_branch(name, size=32), what, micro_batch=m, head_epochs=2, epochs=2)
        for m in (8, 3)
    )
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)


class Small(nn.Module):
    """A network in a memory that holds three images at a time."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.sizes = []

    def forward(self, images_):
        logits = self.network(images_)
        if self.training:
            self.sizes.append(len(images_))
            if len(images_) > 3:
                raise torch.OutOfMemoryError("tried to allocate 2.00 GiB. GPU 0 has ...")
        return logits


def test_out_of_memory_halves_what_is_computed_at_a_time_and_changes_nothing_else(caplog):
    """What the attempts that failed did to BatchNorm's statistics is undone."""
    what = task(images, rows=24, augment=TURNED)
    network = Small(branch())
    found = trained(network, what, batch_size=8, micro_batch=8, epochs=1)
    expected = trained(branch(), what, batch_size=8, micro_batch=2, epochs=1)
    assert network.sizes == [8, 4] + [2] * 12
    assert "out of memory with 8 images at a time: goes on with 4" in caplog.text
    assert found[0] == expected[0]
    for name, value in expected[1].items():
        assert torch.equal(found[1][f"network.{name}"], value), name


def test_a_network_that_does_not_fit_with_two_images_is_refused():
    class Huge(Small):
        def forward(self, images_):
            raise torch.OutOfMemoryError("tried to allocate 90.00 GiB. GPU 0 has ...")

    plan = dataclasses.replace(PLAN, micro_batch=4)
    with pytest.raises(TrainingError, match=r"with 2 images .*90.00 GiB.*train.micro_batch"):
        list(fit(Huge(linear()), task(vectors), plan))


def test_auto_computes_as_many_images_at_a_time_as_fit(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    network, four = branch().train(), (torch.rand(4, 1, 32, 32),)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert largest_fit(network, four, precision="fp32", at_most=64) == 64
    assert not caplog.messages
    two = (four[0][:2],)
    kept = [memory._kept_bytes(network, some, precision="fp32") for some in (two, four)]
    each = (kept[1] - kept[0]) / 2
    monkeypatch.setattr(memory, "total_bytes", lambda device: 20 * each / memory._SHARE)
    assert largest_fit(network, four, precision="fp32", at_most=64) == 16
    assert "computes 16 of a batch of 64 images at a time" in caplog.text
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training


def test_what_an_image_takes_is_measured():
    """Of a linear layer on the output of a ReLU: two inputs of 1,000 floats, two outputs."""
    layers = nn.Sequential(nn.Linear(1000, 1000), nn.ReLU(), nn.Linear(1000, 14))
    kept = memory._kept_bytes(layers, (torch.rand(2, 1000),), precision="fp32")
    assert kept == 2 * 4 * (1000 + 1000)  # the input, and the ReLU's output once for both users


@pytest.mark.slow
def test_a_compiled_step_is_the_same_step():
    what = task(images, rows=16)
    plain, compiled = (
        trained(branch("resnet18"), what, compile=on, learning_rate=1e-5)[0]
        for on in (False, True)
    )
    assert compiled == pytest.approx(plain, rel=1e-3)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_branch_learns_in_half_precision(precision):
    losses, state = trained(
        branch(), task(images, rows=32), precision=precision, epochs=4, learning_rate=0.001
    )
    assert losses[-2] < losses[0]
    assert all(value.dtype != torch.float16 for value in state.values())


def test_fp16_skips_a_step_whose_gradients_overflow():
    """The scaler begins at 2^16: logits of 10 times that overflow, until it has halved enough."""
    network = linear()
    start = {name: value.clone() for name, value in network.state_dict().items()}
    what = task(vectors)
    wild = dataclasses.replace(what, loss=lambda *pair: what.loss(*pair) * 1e4)
    _, state = trained(network, wild, precision="fp16", epochs=1, batch_size=64)
    assert all(torch.equal(value, start[name]) for name, value in state.items())
    _, state = trained(network, wild, precision="fp16", epochs=12, batch_size=64)
    assert not all(torch.equal(value, start[name]) for name, value in state.items())
    assert all(bool(value.isfinite().all()) for value in state.values())


def test_parts_are_exchanged_between_ranks_once_a_step():
    """Of a gloo world of one: what counts is how often gradients are sent."""
    sent = []
    with gloo_of_one():
        plan = dataclasses.replace(PLAN, micro_batch=2)
        training = begin(without_batch_norm(), plan, steps=1)
        network = parallel(training.network, World(0, 2))

        def hook(state, bucket):
            sent.append(1)
            future = torch.futures.Future()
            future.set_result(bucket.buffer())
            return future

        network.register_comm_hook(None, hook)
        what = task(images, rows=8)
        step = Step(training, what.loss, TURNED, World(0, 1), network)
        for _ in range(2):
            step(Share(what.train.inputs, what.train.targets, torch.rand(DRAWN, 8), images=8))
    assert len(sent) == 2


@contextmanager
def gloo_of_one():
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()
