"""Labels that nobody knows have no part in a training: every loss, its prior, steps and score."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from loss_numbers import NUMBERS
from made_tasks import images, linear, vectors, without_batch_norm
from sklearn.metrics import roc_auc_score
from training_numbers import PLAN

from pipeline.errors import CohortError
from pipeline.networks.augment import as_they_are
from pipeline.training.fit import Task, fit
from pipeline.training.judging import expect_judgeable, mean_auroc
from pipeline.training.losses import LOSSES, NEVER_KNOWN, build_loss
from pipeline.training.step import Share

NAN = float("nan")
NEVER = 5
"""The number of a finding of which nothing is known."""


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def entropy(z, y):
    return -math.log(sigmoid(z) if y else 1 - sigmoid(z))


def focal(z, y, share, together):
    p = sigmoid(z) if y else 1 - sigmoid(z)
    return (1 - p) ** NUMBERS.focal_gamma * -math.log(p)


def asymmetric(z, y, share, together):
    p = sigmoid(z)
    if y:
        return (1 - p) ** NUMBERS.asymmetric_gamma_positive * -math.log(p)
    shifted = max(p - NUMBERS.asymmetric_shift, 0)
    return shifted**NUMBERS.asymmetric_gamma_negative * -math.log(1 - shifted)


def margin(z, y, share, together):
    v = sigmoid(z)
    return max(0, 0.9 - v) ** 2 if y else 0.5 * max(0, v - 0.1) ** 2


BY_HAND = {
    "bce": lambda z, y, share, together: entropy(z, y),
    "weighted_bce": lambda z, y, share, together: entropy(z, y) / (share if y else 1),
    "wcel": lambda z, y, share, together: entropy(z, y) / (together if y else 1 - together),
    "focal": focal,
    "asymmetric": asymmetric,
    "margin": margin,
}
"""The loss of one label: of its logit, the label, the share of positives among the finding's known
training labels, and that of all findings together."""


def partly_known(rows=60, seed=0, share=0.4):
    generator = torch.Generator().manual_seed(seed)
    truth = (torch.rand(rows, 14, generator=generator) < torch.linspace(0.2, 0.6, 14)).float()
    truth[torch.rand(rows, 14, generator=generator) < share] = NAN
    truth[:, NEVER] = NAN
    return truth


def known_of(column):
    return [y for y in column if not math.isnan(y)]


def by_hand(name, logits, truth, training):
    """One label at a time, those that are unknown never looked at."""
    columns = [known_of(column) for column in training.T.tolist()]
    everything = [y for column in columns for y in column]
    together = sum(everything) / len(everything)
    found = []
    for row, labels in zip(logits.tolist(), truth.tolist(), strict=True):
        for z, y, column in zip(row, labels, columns, strict=True):
            if not math.isnan(y):
                found.append(BY_HAND[name](z, y == 1, sum(column) / len(column), together))
    return sum(found) / len(found)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_the_mean_over_known_labels_alone(name):
    training, truth = partly_known(), partly_known(rows=20, seed=1)
    logits = torch.randn(20, 14, generator=torch.Generator().manual_seed(2))
    found = build_loss(name, training, NUMBERS).loss(logits, truth)
    assert float(found) == pytest.approx(by_hand(name, logits, truth, training), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_unknown_labels_of_validation_do_not_count_where_training_knows_all(name):
    training, truth = partly_known().nan_to_num(), partly_known(rows=20, seed=1)
    training[0, NEVER] = 1
    logits = torch.randn(20, 14, generator=torch.Generator().manual_seed(2))
    found = build_loss(name, training, NUMBERS).loss(logits, truth)
    assert float(found) == pytest.approx(by_hand(name, logits, truth, training), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_an_unknown_label_moves_no_logit(name):
    truth = partly_known()
    logits = (20 * torch.randn(60, 14)).requires_grad_()
    build_loss(name, truth, NUMBERS).loss(logits, truth).backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[truth.isnan()] == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_of_which_nothing_is_known_costs_nothing(name):
    loss = build_loss(name, partly_known(), NUMBERS).loss
    logits = torch.randn(4, 14).requires_grad_()
    value = loss(logits, torch.full((4, 14), NAN))
    value.backward()
    assert value == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_no_constant_has_less_loss_than_the_prior_of_known_labels(name):
    truth = partly_known()
    fitted = build_loss(name, truth, NUMBERS)
    prior = fitted.prior_logits
    assert prior[NEVER] == NEVER_KNOWN
    start = prior.nan_to_num(posinf=0.0)
    at_prior = fitted.loss(start.expand_as(truth), truth)
    for step in (-0.1, 0.1):
        assert fitted.loss((start + step).expand_as(truth), truth) > at_prior


@pytest.mark.parametrize("name", LOSSES)
def test_where_all_is_known_nothing_is_masked(name):
    """To the last bit: of a cohort that knows its labels, nothing changes."""
    truth = partly_known(share=0).nan_to_num()
    truth[0, NEVER] = 1
    logits = torch.randn(60, 14)
    fitted = build_loss(name, truth, NUMBERS)
    lacking = torch.cat([truth, torch.full((5, 14), NAN)])
    masked = build_loss(name, lacking, NUMBERS)
    assert torch.equal(fitted.prior_logits, build_loss(name, truth.clone(), NUMBERS).prior_logits)
    torch.testing.assert_close(masked.prior_logits, fitted.prior_logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(masked.loss(logits, truth), fitted.loss(logits, truth))


def test_a_finding_whose_known_labels_are_alike_is_named():
    truth = partly_known()
    truth[:, 13] = truth[:, 13].where(truth[:, 13] != 1, NAN)
    with pytest.raises(CohortError, match=r"no network can learn Hernia: .* label is known have"):
        build_loss("bce", truth, NUMBERS)
    with pytest.raises(CohortError, match="no label of any training image is known"):
        build_loss("bce", torch.full((4, 14), NAN), NUMBERS)


def test_the_parts_of_a_batch_add_up_to_it():
    truth, logits = partly_known(), torch.randn(60, 14)
    loss = build_loss("bce", truth, NUMBERS).loss
    share = Share((), truth, torch.zeros(9, 60), images=60, known=float((~truth.isnan()).sum()))
    parts = [(logits[at : at + 7], truth[at : at + 7]) for at in range(0, 60, 7)]
    total = sum(loss(*part) * share.weight(part[1]) for part in parts)
    torch.testing.assert_close(total, loss(logits, truth))


def lacking(examples, rows, column=None):
    """The same, of which labels are unknown."""
    targets = examples.targets.clone()
    targets[rows, slice(None) if column is None else column] = NAN
    return dataclasses.replace(examples, targets=targets)


def trained(network, train, val, **changes):
    loss = build_loss("bce", train.targets, NUMBERS).loss
    plan = dataclasses.replace(PLAN, **{"epochs": 1} | changes)
    return list(fit(network, Task(train, val, loss, as_they_are), plan))


def test_in_whatever_parts_a_batch_is_computed_the_step_is_the_same():
    train = lacking(images(32, 0), torch.arange(0, 32, 3), 4)
    train = lacking(train, torch.arange(10))
    ends = []
    for micro_batch in (2, 3, 16):
        network = without_batch_norm()
        (epoch,) = trained(
            network, train, images(16, 1, "val"), batch_size=16, micro_batch=micro_batch
        )
        ends.append((epoch.train_loss, epoch.val_loss, network.state_dict()))
    for loss, val_loss, state in ends[1:]:
        assert loss == pytest.approx(ends[0][0], rel=1e-5)
        assert val_loss == pytest.approx(ends[0][1], rel=1e-5)
        for name, value in state.items():
            torch.testing.assert_close(value, ends[0][2][name], rtol=1e-4, atol=1e-5)


def test_images_of_which_nothing_is_known_teach_and_judge_nothing():
    """A step on all of a cohort is the step on the images that are known."""
    train, val = vectors(40, 0), vectors(32, 1, "val")
    there = torch.arange(40) % 4 != 0
    some = dataclasses.replace(
        train, image_index=[train.image_index[i] for i in there.nonzero().flatten()],
        inputs=(train.inputs[0][there],), targets=train.targets[there],
    )  # fmt: skip
    seen = torch.arange(32) % 5 != 0
    judges = dataclasses.replace(
        val, image_index=[val.image_index[i] for i in seen.nonzero().flatten()],
        inputs=(val.inputs[0][seen],), targets=val.targets[seen],
    )  # fmt: skip
    one, other = linear(), linear()
    (whole,) = trained(one, lacking(train, ~there), lacking(val, ~seen), batch_size=64)
    (part,) = trained(other, some, judges, batch_size=64)
    torch.testing.assert_close(one.weight, other.weight, rtol=1e-4, atol=1e-6)
    assert whole.train_loss == pytest.approx(part.train_loss, rel=1e-5)
    assert whole.val_loss == pytest.approx(part.val_loss, rel=1e-4)
    assert whole.val_auroc == pytest.approx(part.val_auroc, abs=1e-9)


def test_the_score_is_scikit_learns_on_the_known_rows_of_each_finding():
    truth = partly_known(200).numpy()
    scores = np.random.default_rng(0).integers(0, 10, (200, 14)) / 10
    expected = [
        roc_auc_score(truth[known, at], scores[known, at])
        for at in range(14)
        for known in [~np.isnan(truth[:, at])]
        if at != NEVER
    ]
    assert mean_auroc(truth, scores) == pytest.approx(np.mean(expected), abs=1e-12)


def test_findings_that_are_unknown_are_named_before_a_training(caplog):
    expect_judgeable(partly_known(), split="val")
    assert (
        "1 of 14 findings have one class only among the 60 val images, or no known" in caplog.text
    )
    assert caplog.text.rstrip().endswith(": Nodule")
    with pytest.raises(CohortError, match=r"0 in all, or no known label \(14\)"):
        expect_judgeable(torch.full((4, 14), NAN), split="val")
