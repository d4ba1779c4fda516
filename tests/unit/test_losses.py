"""Losses: fitted to training targets, started where a constant does best."""

import pytest
import torch

from pipeline.errors import CohortError, ParamsError
from pipeline.training.losses import LOSSES, build_loss


def targets(seed=0, rows=200):
    prevalence = torch.linspace(0.05, 0.6, 14)
    return (
        torch.rand(rows, 14, generator=torch.Generator().manual_seed(seed)) < prevalence
    ).float()


@pytest.mark.parametrize("name", LOSSES)
def test_no_constant_has_less_loss_than_the_prior(name):
    truth = targets()
    fitted = build_loss(name, truth)
    at_prior = fitted.loss(fitted.prior_logits.expand_as(truth), truth)
    for step in (-0.1, 0.1):
        moved = (fitted.prior_logits + step).expand_as(truth)
        assert fitted.loss(moved, truth) > at_prior


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_the_mean_over_a_batch(name):
    truth, logits = targets(), torch.randn(200, 14)
    loss = build_loss(name, truth).loss
    halves = (loss(logits[:100], truth[:100]) + loss(logits[100:], truth[100:])) / 2
    torch.testing.assert_close(loss(logits, truth), halves)


def test_positives_weigh_the_inverse_of_their_prevalence():
    truth = torch.zeros(10, 14)
    truth[0] = 1
    loss = build_loss("weighted_bce", truth).loss
    at_zero = torch.zeros(1, 14)
    ratio = loss(at_zero, torch.ones(1, 14)) / loss(at_zero, torch.zeros(1, 14))
    torch.testing.assert_close(ratio, torch.tensor(10.0))


@pytest.mark.parametrize("name", LOSSES)
def test_a_finding_that_never_varies_is_named(name):
    truth = targets()
    truth[:, 13] = 0
    with pytest.raises(CohortError, match="no network can learn Hernia"):
        build_loss(name, truth)


def test_an_unknown_loss_is_refused():
    with pytest.raises(ParamsError, match=r"train\.loss: unknown 'mse'; expected one of bce"):
        build_loss("mse", targets())
