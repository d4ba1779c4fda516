"""Intervals and p-values: laws, an independent oracle, and how often they cover the truth."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr
from test_metrics import weighted_images

from pipeline.results.statistics.bootstrap import (
    patient_counts,
    percentile_interval,
    replicate_both,
)
from pipeline.results.statistics.delong import delong_interval, placements
from pipeline.results.statistics.estimate import (
    Estimate,
    average,
    bca,
    p_value,
    percentile,
)
from pipeline.results.statistics.metrics import (
    auroc_influence,
    auroc_of,
    average_precision,
    average_precision_influence,
    both,
    rank,
)

log = logging.getLogger(__name__)


def estimates(targets, scores, patient, counts):
    """AUROC and average precision."""
    ranking = rank(targets, scores, patient, units=len(counts))
    values = both(ranking, np.ones((len(counts), 1)))
    influences = auroc_influence(ranking), average_precision_influence(ranking)
    return [
        Estimate(float(value[0]), drawn, influence)
        for value, drawn, influence in zip(
            values, replicate_both(ranking, counts), influences, strict=True
        )
    ]


@pytest.mark.parametrize("measure", [0, 1])
@given(weighted_images())
def test_influence_is_the_derivative_by_a_patients_weight(measure, images):
    targets, scores, unit, _ = images
    ranking = rank(targets, scores, unit, units=7)
    influence = (auroc_influence, average_precision_influence)[measure](ranking)
    step = 1e-6
    nudged = [both(ranking, 1 + sign * step * np.eye(7))[measure] for sign in (1, -1)]
    np.testing.assert_allclose(influence, (nudged[0] - nudged[1]) / (2 * step), atol=1e-7)
    assert influence.sum() == pytest.approx(0, abs=1e-12)


def standard_error(one):
    """Of the infinitesimal jackknife over patients."""
    return np.sqrt(np.sum(one.influence**2))


def test_the_bca_interval_is_scipys():
    rng = np.random.default_rng(0)
    sample = rng.exponential(size=60)
    counts = patient_counts(60, replicates=4000, seed=1)
    one = Estimate(sample.mean(), sample @ counts / 60, (sample - sample.mean()) / 60)
    peer = stats.bootstrap(
        (sample,), np.mean, method="BCa", n_resamples=4000, rng=np.random.default_rng(2)
    )
    ends = peer.confidence_interval
    assert bca(one) == pytest.approx((ends.low, ends.high), abs=0.02)
    assert bca(one).low > percentile(one).low + 0.01  # skewed to the right: both ends move up


def test_without_bias_and_skew_bca_is_the_percentile_interval():
    replicates = np.concatenate([0.5 + np.linspace(-0.1, 0.1, 2001)])
    one = Estimate(0.5, replicates, np.array([-0.1, 0.1, 0.0]))
    assert bca(one) == pytest.approx(percentile(one), abs=1e-4)


def test_what_never_varies_has_an_interval_of_no_width():
    one = Estimate(0.5, np.full(100, 0.5), np.zeros(7))
    assert bca(one) == percentile(one) == (0.5, 0.5)
    assert p_value(one - one) == 1


def test_without_replicates_nothing_is_claimed():
    one = Estimate(0.5, np.empty(0), np.zeros(7))
    assert np.isnan([*bca(one), *percentile(one), p_value(one)]).all()


@given(st.integers(1, 300), st.floats(-1, 1), st.integers(0, 9))
def test_a_p_value_is_symmetric_and_above_what_so_few_replicates_can_tell(n, shift, seed):
    drawn = np.random.default_rng(seed).normal(shift, 1, n)
    there, back = (Estimate(sign * shift, sign * drawn, np.zeros(3)) for sign in (1, -1))
    assert p_value(there) == p_value(back)
    assert 2 / (n + 1) <= p_value(there) <= 1


def test_the_interval_holds_nought_where_the_p_value_is_above_one_in_twenty():
    rng = np.random.default_rng(3)
    for shift in np.linspace(0, 4, 50):
        one = Estimate(shift, rng.normal(shift, 1, 999), np.zeros(3))
        low, high = percentile(one)
        assert (low <= 0 <= high) == (p_value(one) > 0.05) or abs(p_value(one) - 0.05) < 0.005


def test_what_too_few_patients_stand_behind_claims_nothing_and_half_of_it_spoils_a_mean():
    drawn = np.random.default_rng(0).normal(size=99)
    one, few = Estimate(0.5, drawn, np.ones(3)), Estimate(0.5, drawn, np.ones(3), sure=False)
    for unknown in (few, one - few, average([one, few, few])):
        assert np.isnan([*bca(unknown), *percentile(unknown), p_value(unknown)]).all()
    assert percentile(average([one, few])) == percentile(one)


def test_averages_and_differences_are_paired():
    counts = patient_counts(40, replicates=30, seed=0)
    rng = np.random.default_rng(1)
    targets, patient = rng.random(120) < 0.4, np.repeat(np.arange(40), 3)
    one, _ = estimates(targets, rng.normal(size=120), patient, counts)
    other, _ = estimates(targets, rng.normal(size=120), patient, counts)
    mean, gap = average([one, other]), one - other
    np.testing.assert_array_equal(gap.replicates, one.replicates - other.replicates)
    np.testing.assert_allclose(mean.influence, (one.influence + other.influence) / 2)
    assert mean.value == (one.value + other.value) / 2
    with pytest.raises(ValueError, match="no estimates"):
        average([])


def test_with_an_image_for_each_patient_it_is_the_ordinary_bootstrap():
    """Images drawn one by one, by the same generator, and scored by the plain definition."""
    rng = np.random.default_rng(4)
    targets = rng.random(80) < 0.3
    scores = np.round(rng.normal(size=80) + targets, 1)
    counts = patient_counts(80, replicates=25, seed=9)
    auroc, auprc = estimates(targets, scores, np.arange(80), counts)
    same = np.random.default_rng(9)
    for replicate in range(25):
        drawn = same.integers(80, size=80)
        assert auroc.replicates[replicate] == auroc_of(targets[drawn], scores[drawn])
        ranking = rank(targets[drawn], scores[drawn], np.zeros(80, np.int64))
        expected = average_precision(ranking, np.ones((1, 1)))[0]
        assert auprc.replicates[replicate] == pytest.approx(expected, abs=1e-12)


PREVALENCE, SHARED, EFFECT = 0.1, 0.5, 1.2
"""Of the simulation: share of ill images; how much of illness and of score is the patient's."""

TRUE_AUROC = float(ndtr(EFFECT / np.sqrt(2)))


def true_auprc():
    """By integration over all thresholds."""
    at = np.linspace(-8, 10, 2_000_001)
    hits = PREVALENCE * ndtr(EFFECT - at)
    called = hits + (1 - PREVALENCE) * ndtr(-at)
    gained = stats.norm.pdf(at - EFFECT)
    return float(np.trapezoid(hits / called * gained, at))


def clustered(rng, patients):
    """One to thirty images for each patient, whose labels and scores hang together."""
    patient = np.repeat(np.arange(patients), np.minimum(rng.geometric(0.25, patients), 30))

    def noise():
        own, each = rng.normal(size=patients)[patient], rng.normal(size=len(patient))
        return np.sqrt(SHARED) * own + np.sqrt(1 - SHARED) * each

    targets = noise() > stats.norm.isf(PREVALENCE)
    return targets, EFFECT * targets + noise(), patient


@pytest.mark.slow
@pytest.mark.parametrize(("patients", "least"), [(1000, 0.93), (200, 0.91)])
def test_intervals_cover_the_truth_as_often_as_they_say_where_images_are_clustered(
    patients, least
):
    """And DeLong's do not; nor do any quite where patients are few."""
    samples = 3000
    truths = TRUE_AUROC, true_auprc()
    covered = dict.fromkeys(("auroc", "auprc", "auroc bca", "auprc bca", "normal", "delong"), 0)
    for seed in range(samples):
        targets, scores, patient = clustered(np.random.default_rng([7, seed]), patients)
        counts = patient_counts(patients, replicates=1000, seed=seed)
        both_estimates = estimates(targets, scores, patient, counts)
        for name, one, truth in zip(("auroc", "auprc"), both_estimates, truths, strict=True):
            for kind, interval in (("", percentile(one)), (" bca", bca(one))):
                covered[name + kind] += interval.low <= truth <= interval.high
        auroc = both_estimates[0]
        covered["normal"] += abs(auroc.value - TRUE_AUROC) < 1.96 * standard_error(auroc)
        low, high = delong_interval(placements(targets, scores))
        covered["delong"] += low <= TRUE_AUROC <= high
    shares = {name: hits / samples for name, hits in covered.items()}
    log.info("coverage of nominal 95 %%, %d samples of %d patients: %s", samples, patients, shares)
    for name in ("auroc", "auroc bca", "normal", "auprc", "auprc bca"):
        assert least <= shares[name] <= 0.97, shares
    assert shares["delong"] < 0.91, shares


def test_the_percentile_interval_of_an_estimate_is_that_of_its_replicates():
    one = Estimate(0.0, np.linspace(-1, 1, 101), np.zeros(3))
    assert percentile(one) == percentile_interval(one.replicates)
