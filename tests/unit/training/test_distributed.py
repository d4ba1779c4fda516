"""Two processes that share each batch train the network that one trains alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import trained_together
from torch import nn
from torch.nn import functional
from trained_together import KINDS

from pipeline.training.processes import batch_norm
from pipeline.training.processes.batch_norm import synced_batch_norm
from pipeline.training.processes.distributed import World, join

HERE = Path(__file__).parents[1]


def train_alone(folder):
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "DVC_ROOT"):
            patch.setenv(name, "")  # put back behind what the training sets
            patch.delenv(name)
        trained_together.main(folder)
    return folder


def train_in_two(folder):
    folder.mkdir()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    env = {name: value for name, value in os.environ.items() if name not in names}
    paths = [str(HERE), str(HERE.parents[1])]
    env |= {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    command = [sys.executable, *torchrun, str(HERE / "trained_together.py"), str(folder)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What this process came to, and two gloo processes."""
    root = tmp_path_factory.mktemp("trained")
    return train_alone(root / "one"), train_in_two(root / "two")


def read(folder, kind, rank=0):
    return torch.load(folder / f"{kind}-{rank}.pt")


@pytest.mark.parametrize("kind", KINDS)
def test_the_losses_of_two_processes_are_those_of_one(trained, kind):
    one, two = (read(folder, kind)["epochs"] for folder in trained)
    assert len(one) == len(two) == 2
    for name in ("train_loss", "val_loss"):
        found, expected = ([epoch[name] for epoch in epochs] for epochs in (two, one))
        assert found == pytest.approx(expected, rel=2e-4), name
    assert two[0]["train_loss"] == pytest.approx(one[0]["train_loss"], rel=2e-5)
    assert [epoch["learning_rate"] for epoch in two] == [epoch["learning_rate"] for epoch in one]


@pytest.mark.parametrize("kind", KINDS)
def test_both_processes_hold_the_same_weights_to_the_bit(trained, kind):
    _, folder = trained
    first, second = (read(folder, kind, rank)["weights"] for rank in (0, 1))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_a_step_is_that_of_one_process(trained, kind):
    """Its length too, of which AdamW says little; rounding grows towards the first layers."""
    one, two = (read(folder, kind)["gradient"] for folder in trained)
    assert one.shape == two.shape
    assert (two - one).norm() < 0.02 * one.norm()
    assert two[-14:] == pytest.approx(one[-14:], rel=1e-4)  # the last layer's


@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_are_those_of_one_process(trained, kind):
    """The way from the start to the end is the same, to what rounding does on it."""
    one, two = (read(folder, kind) for folder in trained)
    moved, apart = [], []
    for name, start in one["start"].items():
        if start.is_floating_point():
            moved.append((one["weights"][name] - start).flatten())
            apart.append((one["weights"][name] - two["weights"][name]).flatten())
    assert torch.cat(moved).norm() > 0
    assert torch.cat(apart).norm() < 0.05 * torch.cat(moved).norm()


def test_only_the_first_process_goes_on_after_training(trained):
    assert [json.loads((folder / "left.json").read_text()) for folder in trained] == [0, 0]
    assert not list(trained[1].rglob("*.partial"))


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 5), (6, 3, 5, 4)])
@pytest.mark.parametrize("affine", [True, False])
def test_of_one_rank_it_is_pytorch_s_batch_norm(monkeypatch, shape, affine):
    monkeypatch.setattr(batch_norm.dist, "all_reduce", lambda tensor: None)
    generator = torch.Generator().manual_seed(0)
    images = (torch.randn(shape, generator=generator) * 3 + 1).requires_grad_()
    weight, bias = torch.rand(3, requires_grad=True), torch.rand(3, requires_grad=True)
    given = {"weight": weight, "bias": bias} if affine else {"weight": None, "bias": None}
    results = []
    for function in (functional.batch_norm, synced_batch_norm):
        mean, var = torch.full((3,), 0.5), torch.full((3,), 2.0)
        training = {} if function is synced_batch_norm else {"training": True}
        out = function(images, mean, var, **given, momentum=0.1, eps=1e-5, **training)
        asked = [images, weight, bias] if affine else [images]
        grads = torch.autograd.grad(out.square().sum() + out.pow(3).sum(), asked)
        results.append((out, mean, var, *grads))
    for found, expected in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_every_batch_norm_in_training_is_replaced_and_none_in_eval_mode(monkeypatch):
    seen = []
    real = batch_norm.synced_batch_norm
    monkeypatch.setattr(batch_norm.dist, "all_reduce", lambda tensor: None)
    monkeypatch.setattr(
        batch_norm, "synced_batch_norm", lambda *a, **k: seen.append(1) or real(*a, **k)
    )
    layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4).eval())
    with batch_norm.statistics_of(World(0, 2)):
        layers(torch.rand(2, 1, 8, 8))
    assert len(seen) == 1
    with batch_norm.statistics_of(World(0, 1)):
        layers(torch.rand(2, 1, 8, 8))
    assert len(seen) == 1


def test_without_torchrun_a_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    world = join()
    assert world == World(0, 1)
    assert world.agree("x") == "x"
    rows = torch.arange(5)
    assert torch.equal(world.part(rows), rows)
