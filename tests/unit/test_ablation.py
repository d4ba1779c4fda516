"""What the ablation changes, apart from params: `benchmarks.ablation`."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from benchmarks.ablation import (
    CHANGES,
    Change,
    Coupled,
    Mixed,
    _rates,
    changed,
    erased,
    other_greys,
    rectangles,
    smoothed,
    with_dropout,
    with_stochastic_depth,
)
from pipeline.base.findings import FINDINGS
from pipeline.networks.augment import as_they_are
from pipeline.networks.branch import BranchSpec, build_branch
from pipeline.params.whole import load_params
from pipeline.training.data.examples import Examples
from pipeline.training.fit import Task

REPO = Path(__file__).parents[2]
TARGETS = (torch.rand(40, 14, generator=torch.Generator().manual_seed(0)) < 0.3).float()
IMAGES = torch.rand(40, 1, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def task():
    torch.manual_seed(0)
    examples = Examples([str(n) for n in range(40)], "train", (IMAGES,), TARGETS)
    return Task(examples, examples, bce, as_they_are)


@pytest.fixture(scope="module", params=["resnet18", "timm:tf_efficientnet_lite0"])
def branch(request):
    spec = BranchSpec(request.param, FINDINGS, 16, 32, standardise=True, pooling="pcam", pyramid=8)
    return build_branch(spec, weights=None, seed=1)


def test_every_change_of_params_is_one():
    params = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))
    before = copy.deepcopy(params)
    plain = changed(params, CHANGES["none"])
    assert plain == load_params(REPO / "params.yaml")
    for name, change in CHANGES.items():
        if change.params or change.epochs > 1:
            assert changed(params, change) != plain, name
    assert changed(params, Change(epochs=2)).global_.epochs == 2 * plain.global_.epochs
    assert params == before


def test_smoothed_labels_lie_between_theirs_and_the_prevalence(task):
    logits = torch.randn(40, 14)
    expected = bce(logits, 0.9 * TARGETS + 0.1 * TARGETS.mean(0))
    assert smoothed(task).loss(logits, TARGETS) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("mix", [Mixed.up, Mixed.cut])
def test_the_loss_is_mixed_as_the_images_are(task, mix):
    marks = torch.arange(40.0)[:, None, None, None].expand_as(IMAGES)  # an image says which it is
    # Of a loss that is the mean target, so that the mix of targets can be read off it.
    truth = torch.arange(40.0)[:, None].expand(-1, 14)
    logits = torch.zeros(40, 14, requires_grad=True)
    linear = mix(replace(task, loss=lambda logits, truth: truth.mean() + 0 * logits.sum()))
    (seen,) = linear.augment((marks,), torch.zeros(9, 40))
    assert float(linear.loss(logits, truth).detach()) == pytest.approx(
        float(seen.mean()), rel=1e-4
    )
    assert not torch.equal(seen, marks)


def test_validation_is_not_mixed(task):
    mixed = Mixed.up(task)
    mixed.augment((IMAGES,), torch.zeros(9, 40))
    logits = torch.randn(40, 14)
    assert mixed.loss(logits, TARGETS) == bce(logits, TARGETS)


def test_rectangles_have_about_the_area_that_is_asked():
    torch.manual_seed(0)
    areas = torch.full((2000,), 0.05)
    inside = rectangles(torch.zeros(2000, 1, 64, 64), areas).float().mean((1, 2, 3))
    assert inside.max() <= 0.07
    assert np.median(inside) == pytest.approx(0.05, abs=0.01)  # less only where an edge cuts


@pytest.mark.parametrize("change", [other_greys, erased])
def test_changed_images_stay_images(change):
    torch.manual_seed(0)
    seen = change(IMAGES)
    assert seen.shape == IMAGES.shape
    assert 0 <= seen.min() <= seen.max() <= 1
    assert not torch.equal(seen, IMAGES)


@pytest.mark.parametrize("change", [with_dropout, with_stochastic_depth])
def test_what_is_dropped_is_dropped_in_training_alone(branch, change):
    changed = change(copy.deepcopy(branch))
    assert torch.equal(changed.eval()(IMAGES), branch.eval()(IMAGES))
    torch.manual_seed(0)
    once = changed.train()(IMAGES)
    assert not torch.equal(changed(IMAGES), once)


def test_coupling_starts_as_none(branch):
    assert torch.equal(Coupled(branch).eval()(IMAGES), branch.eval()(IMAGES))


def test_rates_fall_towards_the_input_and_cover_every_weight(branch):
    optimizer = _rates(torch.optim.AdamW, branch, 0.5)(None, lr=0.1, weight_decay=0.01)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == pytest.approx([0.1 * 0.5**depth for depth in range(len(branch.blocks) + 1)])
    assert rates[0] == 0.1  # the head's
    held = [id(one) for group in optimizer.param_groups for one in group["params"]]
    assert sorted(held) == sorted(id(one) for one in branch.parameters())
