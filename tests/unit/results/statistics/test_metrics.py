"""AUROC, average precision and ROC curves against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    auc,
    average_precision_score,
    roc_auc_score,
)
from sklearn.metrics import (
    precision_recall_curve as sklearn_pr_curve,
)
from sklearn.metrics import roc_curve as sklearn_roc_curve

from pipeline.results.statistics.metrics import (
    auroc,
    auroc_of,
    average_precision,
    both,
    precision_recall_curve,
    rank,
    roc_curve,
)

EXACT = {"rtol": 0, "atol": 1e-12}


@st.composite
def weighted_images(draw):
    """Targets of both classes, scores with many ties, a unit each, and weights of the units."""
    n = draw(st.integers(2, 40))
    targets = draw(
        st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda t: 0 < sum(t) < n)
    )
    scores = draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))
    unit = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    weights = draw(st.lists(st.integers(0, 4), min_size=7, max_size=7))
    return np.array(targets), np.array(scores) / 8, np.array(unit), np.array(weights, float)


def weighed(metric, targets, scores, unit, weights):
    units = unit.max() + 1
    return metric(rank(targets, scores, unit), weights[:units, None])[0]


@pytest.mark.parametrize(
    ("metric", "oracle", "defined"),
    [
        (auroc, roc_auc_score, lambda left: 0 < left.sum() < len(left)),
        (average_precision, average_precision_score, lambda left: left.any()),
    ],
)
@given(images=weighted_images())
def test_a_metric_is_that_of_sklearn_with_sample_weights(metric, oracle, defined, images):
    targets, scores, unit, weights = images
    found = weighed(metric, *images)
    if defined(targets[weights[unit] > 0]):
        expected = oracle(targets, scores, sample_weight=weights[unit])
        np.testing.assert_allclose(found, expected, **EXACT)
    else:
        assert np.isnan(found)


@given(weighted_images())
def test_a_weight_counts_as_so_many_copies(images):
    targets, scores, unit, weights = images
    copies = np.repeat(np.arange(len(targets)), weights[unit].astype(int))
    if 0 < targets[copies].sum() < len(copies):
        assert weighed(auroc, *images) == auroc_of(targets[copies], scores[copies])


@given(weighted_images())
def test_auroc_of_reversed_scores_is_the_rest_to_one(images):
    targets, scores, *_ = images
    assert auroc_of(targets, scores) + auroc_of(targets, -scores) == pytest.approx(1, abs=1e-12)


def test_float32_probabilities_of_real_size_agree_with_sklearn():
    rng = np.random.default_rng(0)
    targets = rng.random(25_596) < 0.05
    scores = rng.beta(1, 9, 25_596).astype(np.float32) + 0.1 * targets.astype(np.float32)
    assert auroc_of(targets, scores) == pytest.approx(roc_auc_score(targets, scores), abs=1e-12)


def test_three_positives_and_two_negatives_by_hand():
    targets = np.array([True, False, True, False, True])
    scores = np.array([0.9, 0.8, 0.8, 0.1, 0.05])
    # pairs won: 0.9 both; 0.8 one and a tie; 0.05 none
    assert auroc_of(targets, scores) == 3.5 / 6


def test_a_constant_score_has_auroc_one_half_and_the_prevalence_as_precision():
    targets = np.arange(10) < 3
    ranking = rank(targets, np.full(10, 0.2), np.zeros(10, np.int64))
    once = np.ones((1, 1))
    assert auroc(ranking, once)[0] == 0.5
    assert average_precision(ranking, once)[0] == pytest.approx(0.3)


def test_a_score_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="1 of 2 scores"):
        rank(np.array([True, False]), np.array([0.1, np.nan]), np.arange(2))


@given(weighted_images())
def test_a_short_roc_curve_has_the_area_of_the_auroc(images):
    targets, scores, *_ = images
    fpr, tpr = roc_curve(targets, scores, points=1000)
    np.testing.assert_allclose(auc(fpr, tpr), auroc_of(targets, scores), **EXACT)


def test_a_thinned_roc_curve_holds_vertices_of_the_whole_one_and_hardly_less_area():
    rng = np.random.default_rng(1)
    targets = rng.random(5000) < 0.1
    scores = rng.normal(size=5000) + 2 * targets
    fpr, tpr = roc_curve(targets, scores)
    whole = {*zip(*sklearn_roc_curve(targets, scores, drop_intermediate=False)[:2], strict=True)}
    assert len(fpr) <= 60
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert {*zip(fpr, tpr, strict=True)} <= whole
    assert auc(fpr, tpr) == pytest.approx(auroc_of(targets, scores), abs=0.002)


@given(weighted_images())
def test_both_metrics_at_once_are_the_two(images):
    targets, scores, unit, weights = images
    ranking = rank(targets, scores, unit, units=7)
    columns = np.stack([weights, np.ones(7)], axis=1)
    for found, metric in zip(both(ranking, columns), (auroc, average_precision), strict=True):
        np.testing.assert_array_equal(found, metric(ranking, columns))


@given(weighted_images())
def test_a_precision_recall_curve_is_on_sklearns_and_ends_at_full_recall(images):
    targets, scores, *_ = images
    recall, precision = precision_recall_curve(targets, scores, points=10_000)
    theirs = sklearn_pr_curve(targets, scores)
    points = set(zip(theirs[1].round(9), theirs[0].round(9), strict=True))
    assert set(zip(recall.round(9), precision.round(9), strict=True)) <= points
    assert recall[-1] == 1
    assert (np.diff(recall) > 0).all()


def test_a_long_precision_recall_curve_is_thinned():
    rng = np.random.default_rng(0)
    targets = rng.random(20_000) < 0.3
    recall, _ = precision_recall_curve(targets, rng.random(20_000) + targets)
    assert 50 <= len(recall) <= 60
    assert recall[-1] == 1
    with pytest.raises(ValueError, match="needs positives"):
        precision_recall_curve(np.zeros(3, bool), np.ones(3))
