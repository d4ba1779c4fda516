"""Replicates over patients: whole patients, paired, seeded, of the right width."""

import numpy as np
import pytest

from pipeline.results.statistics.bootstrap import (
    patient_counts,
    percentile_interval,
    replicate_aurocs,
)
from pipeline.results.statistics.metrics import auroc_of, rank


def sample(patients=200, each=3, *, effect=1.0, seed=0):
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), each)
    targets = (rng.random(patients) < 0.3)[patient]  # ill in all of one's images
    scores = effect * targets + rng.normal(size=patients)[patient]
    return targets, scores, patient


def test_a_replicate_draws_as_many_patients_as_there_are():
    counts = patient_counts(50, replicates=20, seed=1)
    assert counts.shape == (50, 20)
    assert (counts.sum(axis=0) == 50).all()
    assert abs(counts.mean() - 1) < 1e-12


def test_one_seed_gives_one_sample_and_another_another():
    first, again = (patient_counts(30, replicates=5, seed=3) for _ in range(2))
    assert (first == again).all()
    assert (first != patient_counts(30, replicates=5, seed=4)).any()


def test_more_replicates_begin_with_the_fewer():
    few, many = (patient_counts(30, replicates=n, seed=3) for n in (5, 300))
    assert (few == many[:, :5]).all()


def test_a_replicate_is_the_auroc_of_the_drawn_patients_images():
    targets, scores, patient = sample()
    counts = patient_counts(200, replicates=150, seed=0)
    replicates = replicate_aurocs(rank(targets, scores, patient), counts)
    drawn = np.repeat(np.arange(len(targets)), counts[patient, 140].astype(int))
    assert replicates[140] == auroc_of(targets[drawn], scores[drawn])


def test_a_replicate_of_one_class_is_nan_and_no_replicates_are_none():
    ranking = rank(np.array([True, False]), np.array([0.2, 0.1]), np.arange(2))
    assert np.isnan(replicate_aurocs(ranking, np.array([[2.0], [0.0]]))).all()
    assert replicate_aurocs(ranking, np.empty((2, 0))).shape == (0,)


def test_repeated_images_of_a_patient_do_not_narrow_the_interval():
    counts = patient_counts(200, replicates=400, seed=0)
    widths = []
    for each in (1, 5):
        targets, scores, patient = sample(each=each)
        low, high = percentile_interval(replicate_aurocs(rank(targets, scores, patient), counts))
        widths.append(high - low)
    assert widths[0] == pytest.approx(widths[1])


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    truth = 0.7602499389  # normal scores one deviation apart: Phi(1 / sqrt 2)
    hits = 0
    counts = patient_counts(200, replicates=200, seed=0)
    for seed in range(100):
        targets, scores, patient = sample(each=1, seed=seed)
        low, high = percentile_interval(replicate_aurocs(rank(targets, scores, patient), counts))
        hits += low < truth < high
    assert 88 <= hits <= 100


def test_the_percentile_interval_holds_its_share_of_the_replicates():
    low, high = percentile_interval(np.linspace(0, 1, 1001))
    assert (low, high) == (pytest.approx(0.025), pytest.approx(0.975))
