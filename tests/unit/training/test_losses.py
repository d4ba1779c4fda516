"""Losses: fitted to training targets, started where a constant does best."""

import math

import pytest
import torch
from loss_numbers import NUMBERS
from torchvision.ops import sigmoid_focal_loss

from pipeline.errors import CohortError, ParamsError
from pipeline.params.names import PROPER_LOSSES
from pipeline.training.losses import LOSSES, build_loss


def targets(seed=0, rows=200):
    prevalence = torch.linspace(0.05, 0.6, 14)
    return (
        torch.rand(rows, 14, generator=torch.Generator().manual_seed(seed)) < prevalence
    ).float()


@pytest.mark.parametrize("name", LOSSES)
def test_no_constant_has_less_loss_than_the_prior(name):
    truth = targets()
    fitted = build_loss(name, truth, NUMBERS)
    at_prior = fitted.loss(fitted.prior_logits.expand_as(truth), truth)
    for step in (-0.1, 0.1):
        moved = (fitted.prior_logits + step).expand_as(truth)
        assert fitted.loss(moved, truth) > at_prior


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_the_mean_over_a_batch(name):
    truth, logits = targets(), torch.randn(200, 14)
    loss = build_loss(name, truth, NUMBERS).loss
    halves = (loss(logits[:100], truth[:100]) + loss(logits[100:], truth[100:])) / 2
    torch.testing.assert_close(loss(logits, truth), halves)


def test_positives_weigh_the_inverse_of_their_prevalence():
    truth = torch.zeros(10, 14)
    truth[0] = 1
    loss = build_loss("weighted_bce", truth, NUMBERS).loss
    at_zero = torch.zeros(1, 14)
    ratio = loss(at_zero, torch.ones(1, 14)) / loss(at_zero, torch.zeros(1, 14))
    torch.testing.assert_close(ratio, torch.tensor(10.0))


def test_wcel_is_its_paper_s_equation_counted_over_the_training_split():
    """Wang et al., CVPR 2017, Eq. 1, label by label; the paper's sum is here a mean."""
    truth, logits = targets(), torch.randn(30, 14)
    asked = targets(seed=1, rows=30)
    labels = truth.flatten().tolist()
    positives = sum(label == 1 for label in labels)
    negatives = len(labels) - positives
    total = 0.0
    for y, z in zip(asked.flatten().tolist(), logits.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-z))
        if y == 1:
            total -= len(labels) / positives * math.log(p)
        else:
            total -= len(labels) / negatives * math.log(1 - p)
    found = build_loss("wcel", truth, NUMBERS).loss(logits, asked)
    assert float(found) == pytest.approx(total / asked.numel(), rel=1e-5)


def test_with_wcel_positives_and_negatives_of_the_training_split_weigh_alike():
    truth = targets()
    loss = build_loss("wcel", truth, NUMBERS).loss
    zero = torch.zeros(1, 14)
    of_a_positive, of_a_negative = (float(loss(zero, one)) for one in (zero + 1, zero))
    share = float(truth.mean())
    assert share * of_a_positive == pytest.approx((1 - share) * of_a_negative, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_finding_that_never_varies_is_named(name):
    truth = targets()
    truth[:, 13] = 0
    with pytest.raises(CohortError, match="no network can learn Hernia"):
        build_loss(name, truth, NUMBERS)


def test_an_unknown_loss_is_refused():
    with pytest.raises(ParamsError, match=r"train\.loss: unknown 'mse'; expected one of bce"):
        build_loss("mse", targets(), NUMBERS)


@pytest.mark.parametrize("name", ["bce", "weighted_bce", "wcel"])
def test_the_prior_of_a_cross_entropy_is_known_in_closed_form(name):
    truth = targets()
    share = truth.mean(dim=0)
    expected = {
        "bce": torch.logit(share),
        "weighted_bce": -torch.log(1 - share),
        "wcel": torch.logit(share) - torch.logit(share.mean()),
    }[name]
    found = build_loss(name, truth, NUMBERS).prior_logits
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_called_proper_if_its_least_is_at_the_prevalence(name):
    truth = targets()
    off = (build_loss(name, truth, NUMBERS).prior_logits.sigmoid() - truth.mean(dim=0)).abs()
    assert (float(off.max()) < 1e-3) == (name in PROPER_LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_gradients_are_finite_at_any_logit(name):
    logits = torch.tensor([-1e4, -100.0, -17.0, 0.0, 17.0, 100.0, 1e4]).repeat(14, 1).T
    for truth in (torch.zeros(7, 14), torch.ones(7, 14)):
        asked = logits.clone().requires_grad_()
        value = build_loss(name, targets(), NUMBERS).loss(asked, truth)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(asked.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_better_logit_never_costs_more(name):
    loss = build_loss(name, targets(), NUMBERS).loss
    steps = torch.linspace(-6, 6, 60)
    for sign, truth in ((1, torch.ones(1, 14)), (-1, torch.zeros(1, 14))):
        costs = torch.stack([loss((sign * z).expand(1, 14), truth) for z in steps])
        assert (costs.diff() <= 1e-6).all()
        assert costs[-1] < costs[0]


def without(**numbers):
    return NUMBERS.model_copy(update=numbers)


def test_focal_loss_without_its_gamma_is_cross_entropy():
    truth, logits = targets(), torch.randn(200, 14)
    focal = build_loss("focal", truth, without(focal_gamma=0.0)).loss
    torch.testing.assert_close(
        focal(logits, truth), build_loss("bce", truth, NUMBERS).loss(logits, truth)
    )


def test_focal_loss_is_torchvisions():
    truth, logits = targets(), torch.randn(200, 14)
    expected = sigmoid_focal_loss(logits, truth, alpha=-1, gamma=2.0, reduction="mean")
    torch.testing.assert_close(build_loss("focal", truth, NUMBERS).loss(logits, truth), expected)


def test_asymmetric_loss_is_its_papers_equations():
    truth, logits = targets(), torch.randn(200, 14)
    p = logits.sigmoid()
    shifted = (p - 0.05).clamp(min=0)
    positive = (1 - p) * p.log()
    negative = shifted**4 * (1 - shifted).log()
    expected = -(truth * positive + (1 - truth) * negative).mean()
    found = build_loss("asymmetric", truth, NUMBERS).loss(logits, truth)
    torch.testing.assert_close(found, expected)


def test_margin_loss_is_nothing_for_lengths_beyond_its_margins():
    loss = build_loss("margin", targets(), NUMBERS).loss
    truth = torch.tensor([[1.0, 0.0] * 7])
    length = torch.tensor([[0.91, 0.09] * 7])
    assert loss(torch.logit(length), truth) == 0
    half = loss(torch.zeros(1, 14), truth)
    torch.testing.assert_close(half, torch.tensor((0.4**2 + 0.5 * 0.4**2) / 2))
