"""DeLong's variances and tests against brute force over all pairs."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_metrics import weighted_images

from pipeline.results.statistics.delong import (
    covariance,
    delong_interval,
    delong_p_value,
    placements,
)
from pipeline.results.statistics.metrics import auroc_influence, auroc_of, rank


def brute_force(targets, scores):
    """The kernel of every pair, and its means by row and column (DeLong 1988, eq. 2 to 5)."""
    above = np.sign(scores[targets][:, None] - scores[~targets][None, :]) / 2 + 0.5
    return above.mean(axis=1), above.mean(axis=0)


def brute_force_covariance(targets, systems):
    parts = [brute_force(targets, scores) for scores in systems]
    k = len(systems)
    found = np.zeros((k, k))
    for row in range(k):
        for column in range(k):
            for side in (0, 1):
                one, other = parts[row][side], parts[column][side]
                products = (one - one.mean()) * (other - other.mean())
                found[row, column] += products.sum() / (len(one) - 1) / len(one)
    return found


@given(weighted_images())
def test_components_are_the_means_over_pairs(images):
    targets, scores, *_ = images
    of_positives, of_negatives = brute_force(targets, scores)
    placed = placements(targets, scores)
    np.testing.assert_allclose(placed.of_positives, of_positives, atol=1e-12)
    np.testing.assert_allclose(placed.of_negatives, of_negatives, atol=1e-12)
    assert placed.auroc == pytest.approx(auroc_of(targets, scores), abs=1e-12)


@given(st.integers(0, 99))
def test_the_covariance_of_three_systems_is_that_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    targets = np.arange(60) < rng.integers(2, 58)
    systems = [np.round(rng.normal(size=60) + effect * targets, 1) for effect in (0, 1, 2)]
    found = covariance([placements(targets, scores) for scores in systems])
    np.testing.assert_allclose(found, brute_force_covariance(targets, systems), atol=1e-12)


def test_the_p_value_is_that_of_a_normal_test_by_hand():
    rng = np.random.default_rng(1)
    targets = rng.random(300) < 0.3
    one, other = rng.normal(size=300) + targets, rng.normal(size=300) + 0.5 * targets
    by = brute_force_covariance(targets, [one, other])
    z = (auroc_of(targets, one) - auroc_of(targets, other)) / np.sqrt(
        by[0, 0] + by[1, 1] - 2 * by[0, 1]
    )
    expected = 2 * (1 - NormalDist().cdf(abs(z)))
    found = delong_p_value(placements(targets, one), placements(targets, other))
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_system_does_not_differ_from_itself():
    rng = np.random.default_rng(2)
    one = placements(rng.random(50) < 0.5, rng.normal(size=50))
    assert delong_p_value(one, one) == 1


def test_with_an_image_for_each_patient_it_is_nearly_the_infinitesimal_jackknife():
    rng = np.random.default_rng(3)
    targets = rng.random(2000) < 0.2
    scores = rng.normal(size=2000) + targets
    influence = auroc_influence(rank(targets, scores, np.arange(2000)))
    error = np.sqrt(np.sum(influence**2))
    assert np.sqrt(covariance([placements(targets, scores)])[0, 0]) == pytest.approx(
        error, rel=2e-3
    )


def test_the_interval_stays_within_zero_and_one_and_is_unknown_for_a_single_positive():
    perfect = placements(np.arange(6) < 3, -np.arange(6.0))
    assert delong_interval(perfect) == (1, 1)
    assert np.isnan(delong_interval(placements(np.arange(6) < 1, np.arange(6.0)))).all()
