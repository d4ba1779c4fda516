"""The score followed during training, against scikit-learn."""

import dataclasses
import logging

import numpy as np
import pytest
import torch
from made_tasks import linear, task, vectors
from sklearn.metrics import roc_auc_score
from training_numbers import PLAN

from pipeline.errors import CohortError
from pipeline.training.fit import fit
from pipeline.training.judging import expect_judgeable, mean_auroc


def test_it_is_scikit_learns_macro_auroc_ties_included():
    rng = np.random.default_rng(0)
    targets = rng.random((200, 14)) < 0.2
    scores = rng.integers(0, 10, (200, 14)) / 10
    assert mean_auroc(targets, scores) == pytest.approx(roc_auc_score(targets, scores), abs=1e-12)


def test_a_finding_with_one_class_has_no_say():
    targets = np.array([[True, False], [False, False]])
    scores = np.array([[0.9, 0.1], [0.1, 0.9]])
    assert mean_auroc(targets, scores) == 1.0
    with pytest.raises(ValueError, match="no finding has both classes"):
        mean_auroc(targets[:, 1:], scores[:, 1:])


def validated_on(targets):
    """A task whose validation images have these targets."""
    what = task(vectors)
    return dataclasses.replace(what, val=dataclasses.replace(what.val, targets=targets))


def test_a_validation_set_that_judges_no_finding_is_refused_before_anything_is_learnt():
    targets = torch.zeros(32, 14)
    targets[:, 3] = 1
    network = linear()
    before = network.weight.clone()
    expected = (
        r"no finding has both classes among the 32 val images: 13 findings are positive in none, "
        r"1 in all.*raise split\.min_positives or split\.val_fraction"
    )
    with pytest.raises(CohortError, match=expected):
        next(fit(network, validated_on(targets), PLAN))
    assert torch.equal(network.weight, before)


def test_findings_of_one_class_are_named_and_left_out_of_the_mean(caplog):
    what = validated_on(vectors(32, 1).targets.index_fill(1, torch.tensor([3, 13]), 0))
    with caplog.at_level(logging.INFO):
        epochs = list(fit(linear(), what, PLAN))
    assert all(0 <= epoch.val_auroc <= 1 for epoch in epochs)
    said = "2 of 14 findings have one class only among the 32 val images"
    assert said in caplog.text
    assert "Infiltration, Hernia" in caplog.text


def test_nothing_is_said_of_a_set_that_judges_all(caplog):
    with caplog.at_level(logging.INFO):
        expect_judgeable(vectors(32, 1).targets, split="val")
    assert not caplog.records


def test_other_classes_than_findings_go_by_their_number(caplog):
    targets = vectors(32, 1).targets[:, :10].index_fill(1, torch.tensor([7]), 1)
    with caplog.at_level(logging.INFO):
        expect_judgeable(targets, split="val")
    assert "1 of 10 findings" in caplog.text
    assert caplog.text.rstrip().endswith(": 7")
