"""An epoch learns from every image, in batches about as large as each other."""

import dataclasses
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_tasks import branch, images, linear, task, vectors, without_batch_norm
from training_numbers import PLAN

from pipeline.training.data.division import batch_sizes
from pipeline.training.failure import TrainingError
from pipeline.training.fit import fit
from pipeline.training.processes.distributed import World
from pipeline.training.step import parts_of


@given(count=st.integers(1, 3000), batch_size=st.integers(1, 300))
def test_batches_are_all_images_in_sizes_that_differ_by_one_at_most(count, batch_size):
    sizes = batch_sizes(count, batch_size)
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= max(batch_size, 3)
    assert len(sizes) == -(-count // batch_size) or batch_size == 2


@given(count=st.integers(2, 3000), batch_size=st.integers(2, 300))
def test_no_batch_is_of_one_image_where_there_are_two(count, batch_size):
    assert min(batch_sizes(count, batch_size)) >= 2


@given(
    count=st.integers(2, 200),
    batch_size=st.integers(2, 40),
    micro_batch=st.integers(1, 20),
    ranks=st.integers(1, 4),
)
def test_no_turn_of_any_batch_is_of_one_image(count, batch_size, micro_batch, ranks):
    for size in batch_sizes(count, batch_size):
        if size >= ranks:
            parts = [
                parts_of(torch.arange(size), World(rank, ranks), micro_batch=micro_batch)
                for rank in range(ranks)
            ]
            assert all(sum(map(len, turn)) >= 2 for turn in zip(*parts, strict=True))
            assert all(len(part) for own in parts for part in own)


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [
        (15, 8, [8, 7]),
        (16, 8, [8, 8]),
        (17, 8, [6, 6, 5]),
        (9, 8, [5, 4]),
        (5, 8, [5]),
        (3, 2, [3]),
        (5, 2, [3, 2]),
        (1, 8, [1]),
        (2, 1, [1, 1]),
    ],
)
def test_sizes_by_hand(count, batch_size, sizes):
    assert batch_sizes(count, batch_size) == sizes


def learnt_from(rows, **numbers):
    """The images of each epoch, in the order in which they are learnt from."""
    seen = []

    def augment(inputs, _):
        seen.append(inputs[0].clone())
        return inputs

    what = task(vectors, rows=rows, augment=augment)
    plan = dataclasses.replace(PLAN, epochs=1, **numbers)
    (epoch,) = fit(linear(), what, plan)
    return what.train.inputs[0], torch.cat(seen), epoch


@pytest.mark.parametrize("rows", [7, 8, 9, 15, 16, 17, 31])
@pytest.mark.parametrize("micro_batch", [None, 3])
def test_every_image_is_learnt_from_once_an_epoch(rows, micro_batch):
    stored, seen, _ = learnt_from(rows, batch_size=8, micro_batch=micro_batch)
    assert sorted(seen.tolist()) == sorted(stored.tolist())


@pytest.mark.parametrize("rows", [15, 16, 17])
def test_an_epoch_s_training_loss_weighs_images_alike(rows):
    """At a rate of next to nothing it is the loss of the whole split."""
    what = task(vectors, rows=rows)
    network = linear()
    expected = float(what.loss(network(what.train.inputs[0]), what.train.targets).detach())
    plan = dataclasses.replace(PLAN, epochs=1, batch_size=8, learning_rate=1e-12)
    (epoch,) = fit(network, what, plan)
    assert epoch.train_loss == pytest.approx(expected, rel=1e-6)


def test_images_per_second_counts_the_images_of_the_split(monkeypatch):
    clock = iter([10.0, 12.0])
    own = SimpleNamespace(monotonic=lambda: next(clock))  # threads go on reading the real one
    monkeypatch.setattr("pipeline.training.fit.time", own)
    _, _, epoch = learnt_from(17, batch_size=8)
    assert epoch.images_per_second == 17 / 2


def test_who_looks_on_is_told_the_size_of_each_batch():
    told = []

    def watch(*, epoch, sizes):
        told.append((epoch, list(sizes)))
        return nullcontext(lambda: passed.append(1))

    def augment(inputs, _):
        learnt.append(len(inputs[0]))
        return inputs

    passed, learnt = [], []
    plan = dataclasses.replace(PLAN, epochs=2)
    list(fit(linear(), task(vectors, rows=17, augment=augment), plan, watch=watch))
    assert told == [(1, [6, 6, 5]), (2, [6, 6, 5])]
    assert learnt == [6, 6, 5, 6, 6, 5]
    assert len(passed) == 6


def test_the_schedule_falls_to_its_end_over_the_steps_that_there_are():
    """Of 15 images in batches of 8 there are two steps an epoch, and a cosine ends at nothing."""
    rates = []

    def augment(inputs, _):
        rates.append(1)
        return inputs

    plan = dataclasses.replace(PLAN, schedule="cosine", warmup=0.0, epochs=4, batch_size=8)
    epochs = list(fit(linear(), task(vectors, rows=15, augment=augment), plan))
    assert len(rates) == 8
    assert [epoch.learning_rate for epoch in epochs] == pytest.approx(
        [0.01, 0.01 * 0.5 * (1 + 2**-0.5), 0.005, 0.01 * 0.5 * (1 - 2**-0.5)]
    )


def test_a_single_image_is_refused_where_batch_normalisation_would_need_two():
    with pytest.raises(TrainingError, match=r"a batch of one image.*batch normalisation.* two"):
        list(fit(branch(), one_image(), PLAN))


def test_a_single_image_trains_a_network_without_batch_normalisation():
    (epoch,) = fit(without_batch_norm(), one_image(), dataclasses.replace(PLAN, epochs=1))
    assert epoch.train_loss > 0


def one_image():
    what = task(images, rows=16)
    train = dataclasses.replace(
        what.train,
        image_index=["0"],
        inputs=(what.train.inputs[0][:1],),
        targets=torch.zeros(1, 14),
    )
    return dataclasses.replace(what, train=train)


def test_processes_that_would_have_no_image_of_a_batch_are_refused(monkeypatch):
    """Nine images in batches of eight are five and four."""
    monkeypatch.setattr("pipeline.training.fit.join", lambda: World(0, 5))
    with pytest.raises(TrainingError, match="5 processes cannot share batches of 4 images"):
        next(fit(linear(), task(vectors, rows=9), PLAN))
