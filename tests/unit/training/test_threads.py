"""The threads that compute: the same number, the same bits, also when a training goes on."""

import dataclasses
import logging

import pytest
import torch
from made_tasks import images, task, without_batch_norm
from training_numbers import PLAN

from pipeline.training.fit import fit
from pipeline.training.processes.distributed import World
from pipeline.training.records.snapshots import Snapshots


@pytest.fixture(autouse=True)
def two_threads():
    """PyTorch's own number, whatever this machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def plan(number, **changes):
    return dataclasses.replace(PLAN, threads=number, epochs=2, **changes)


def trained(number, **kwargs):
    network = without_batch_norm()
    list(fit(network, task(images, rows=16), plan(number), **kwargs))
    return network.state_dict()


@pytest.mark.parametrize("number", [1, 2])
def test_the_same_number_of_threads_gives_the_same_bits(number):
    first, second = trained(number), trained(number)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize(("asked", "used"), [(1, 1), (2, 2), (3, 3), (None, 2)])
def test_a_training_computes_with_what_it_is_told_and_leaves_pytorch_as_it_was(asked, used):
    before = torch.get_num_threads()
    found = [
        torch.get_num_threads()
        for _ in fit(without_batch_norm(), task(images, rows=16), plan(asked))
    ]
    assert found == [used, used]
    assert torch.get_num_threads() == before


def test_one_that_fails_leaves_pytorch_as_it_was():
    before = torch.get_num_threads()
    poison = task(images, rows=16, augment=lambda inputs, _: (inputs[0] * float("nan"),))
    with pytest.raises(Exception, match="not finite"):
        list(fit(without_batch_norm(), poison, plan(2)))
    assert torch.get_num_threads() == before


def test_all_processes_compute_with_the_number_of_the_first(monkeypatch):
    monkeypatch.setattr(World, "agree", lambda self, value: 3 if value == 2 else value)
    found = [
        torch.get_num_threads()
        for _ in fit(without_batch_norm(), task(images, rows=16), plan(None))
    ]
    assert found == [3, 3]


def test_the_log_says_how_many(caplog):
    caplog.set_level(logging.INFO)
    trained(2)
    assert "trains in fp32 on cpu, with 2 threads" in caplog.text


def test_a_training_that_goes_on_elsewhere_computes_with_the_number_that_it_began_with(
    tmp_path, caplog
):
    """Begun where auto is 2 and continued where it is 1, it ends with the bits of 2 alone."""
    caplog.set_level(logging.INFO)
    expected = trained(2)
    first = Snapshots("a", root=tmp_path)
    epochs = fit(without_batch_norm(), task(images, rows=16), plan(None), snapshots=first)
    next(epochs)
    epochs.close()
    first._lock.close()  # as the end of its process does
    torch.set_num_threads(1)
    caplog.clear()
    found = trained(None, snapshots=Snapshots("a", root=tmp_path))
    assert "goes on behind epoch 1" in caplog.text
    assert "computes with 2 thread(s) as the run that it goes on with, not with 1" in caplog.text
    assert "on cpu, with 2 threads" in caplog.text
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_a_number_that_was_asked_for_is_part_of_what_a_snapshot_is_found_by(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    first = Snapshots("a", root=tmp_path)
    epochs = fit(without_batch_norm(), task(images, rows=16), plan(1), snapshots=first)
    next(epochs)
    epochs.close()
    first._lock.close()
    trained(2, snapshots=Snapshots("a", root=tmp_path))
    assert "goes on behind" not in caplog.text
