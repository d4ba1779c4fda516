"""The running mean of the weights."""

import dataclasses

import pytest
import torch
from branches import make_branch
from made_tasks import branch, images, linear, task, vectors
from torch import nn
from training_numbers import PLAN

from pipeline.training.average import Average
from pipeline.training.fit import fit
from pipeline.training.predict import predict_logits


def test_it_is_decay_times_itself_and_the_rest_of_the_network_and_faster_at_first():
    network = nn.Linear(1, 1, bias=False)
    mean = 1.0
    with torch.no_grad():
        network.weight.fill_(mean)
        average = Average(network, 0.5)
        for step in range(1, 30):
            network.weight.fill_(step)
            average.update(network)
            decay = min(0.5, (1 + step) / (10 + step))
            mean = decay * mean + (1 - decay) * step
            assert float(average.network.weight) == pytest.approx(mean)


def test_statistics_are_averaged_and_counters_copied():
    network = nn.BatchNorm1d(3)
    average = Average(network, 0.5)
    network(torch.rand(8, 3) + 5)
    average.update(network)
    mean = average.network.running_mean
    assert bool((mean > 0).all())
    assert bool((mean < network.running_mean).all())
    assert int(average.network.num_batches_tracked) == 1


def test_what_is_frozen_stays_as_it_was_to_the_bit():
    network = make_branch("mobilenet_v2", size=32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    plan = dataclasses.replace(PLAN, head_epochs=2, epochs=2, ema=0.9)
    list(fit(network, task(images, rows=16), plan))
    moved = {n for n, value in network.state_dict().items() if not torch.equal(value, before[n])}
    assert moved == {"head.weight", "head.bias"}


def test_the_mean_is_what_is_judged_and_kept():
    what = task(vectors)
    plain, averaged = linear(), linear()
    plan = dataclasses.replace(PLAN, learning_rate=0.3, epochs=6, batch_size=8)
    list(fit(plain, what, plan))
    epochs = list(fit(averaged, what, dataclasses.replace(plan, ema=0.95)))
    logits = predict_logits(averaged, what.val.inputs, precision="fp32")
    best = min(epoch.val_loss for epoch in epochs)
    assert float(what.loss(logits, what.val.targets)) == pytest.approx(best)
    assert not torch.equal(plain.weight, averaged.weight)


def test_its_network_has_statistics_that_fit_its_weights():
    network = branch()
    plan = dataclasses.replace(PLAN, epochs=8, ema=0.9, learning_rate=0.001, batch_size=16)
    epochs = list(fit(network, task(images, rows=64), plan))
    assert epochs[-1].val_loss < 1
