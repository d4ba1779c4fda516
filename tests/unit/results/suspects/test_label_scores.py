"""Scores of doubt: their order, what they are worth beside known noise, and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from pipeline.results.suspects.label_scores import LABEL_NOISE, SCORES, margin, odds


def made(n=20_000, *, share=0.1, distance=3.0, noise=LABEL_NOISE, seed=0):
    """Probabilities of a network that knows the finding up to noise; labels; which are wrong.

    As many labels are missed as are spurious.
    """
    rng = np.random.default_rng(seed)
    present = np.arange(n) < share * n
    evidence = rng.normal(size=n) + distance * (present - 0.5)
    probs = expit(distance * evidence + logit(share))
    wrong = np.zeros(n, bool)
    for side in (np.flatnonzero(present), np.flatnonzero(~present)):
        wrong[rng.choice(side, round(noise * share * n), replace=False)] = True
    return probs, present ^ wrong, wrong


@pytest.mark.parametrize("name", SCORES)
@given(seed=st.integers(0, 1000))
def test_the_less_a_probability_is_like_its_label_the_more_doubtful_is_the_label(name, seed):
    probs, labels, _ = made(200, seed=seed)
    scores = SCORES[name](probs, labels)
    for label, sign in ((True, -1), (False, 1)):
        here = np.argsort(sign * probs[labels == label], kind="stable")
        assert (np.diff(scores[labels == label][here]) >= -1e-12).all()


@pytest.mark.parametrize("name", SCORES)
def test_most_of_the_first_are_noise(name):
    probs, labels, wrong = made()
    first = np.argsort(-SCORES[name](probs, labels))[:500]
    assert wrong[first].mean() > 10 * wrong.mean()


def test_odds_is_the_chance_of_being_wrong_and_rather_too_low_than_too_high():
    probs, labels, wrong = made(100_000)
    scores = odds(probs, labels)
    assert scores.mean() == pytest.approx(wrong.mean(), rel=0.35)
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        here = (scores >= low) & (scores < high)
        assert here.sum() > 100
        assert scores[here].mean() < wrong[here].mean() + 0.03, (low, high)


def test_the_order_does_not_depend_on_the_noise_that_is_assumed():
    probs, labels, _ = made()
    orders = [np.argsort(odds(probs, labels, noise=noise)) for noise in (0.05, 0.2)]
    ranks = [np.argsort(order) for order in orders]
    assert np.corrcoef(*ranks)[0, 1] > 0.999


def test_a_given_label_is_as_doubtful_of_a_rare_finding_as_of_a_frequent_one():
    probs, labels, _ = made(4_000, share=0.3, noise=0.0)
    absent = np.repeat(np.flatnonzero(~labels), 10)
    kept = np.concatenate([np.flatnonzero(labels), absent])
    rare = odds(probs[kept], labels[kept])[: labels.sum()]
    assert rare == pytest.approx(odds(probs, labels)[labels], abs=0.06)


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_where_an_image_tells_nothing_the_chance_is_the_noise(share):
    """A share `noise` of the labels given, and as many images among those without."""
    probs, labels, _ = made(share=share, noise=0.0)
    for label, chance in ((True, LABEL_NOISE), (False, LABEL_NOISE * share / (1 - share))):
        found = odds(np.append(probs, share), np.append(labels, label))[-1]
        assert found == pytest.approx(chance, rel=0.1)


def test_margin_by_hand():
    probs = np.array([0.9, 0.3, 0.1, 0.5])
    labels = np.array([True, True, False, False])
    # Thresholds: 0.6 of presence, 0.7 of absence. Of the first, presence less its own is
    # 0.9 - 0.6 + 0.7 = 1.0, absence 0.1 - 0.7 + 0.7 = 0.1; over their sum 0.91 and 0.09.
    assert margin(probs, labels) == pytest.approx(
        [(1 + 0.1 / 1.1 - 1.0 / 1.1) / 2, (1 + 0.7 / 1.1 - 0.4 / 1.1) / 2,
         (1 + 0.2 / 1.1 - 0.9 / 1.1) / 2, (1 + 0.6 / 1.1 - 0.5 / 1.1) / 2]
    )  # fmt: skip


def test_margin_and_confidence_are_those_of_the_fields_library():
    """cleanlab 2.9.0's `get_label_quality_scores_per_class`, less from 1; as it printed them."""
    probs = np.array([0.91, 0.32, 0.08, 0.55, 0.27, 0.003])
    labels = np.array([True, True, False, False, True, False])
    expected = {
        "confidence": [0.09, 0.68, 0.08, 0.55, 0.73, 0.003],
        "margin": [
            0.06982156710628395, 0.5275407292474786, 0.2862684251357642, 0.6508921644685803,
            0.5663304887509697, 0.22653219550038795,
        ],
    }  # fmt: skip
    for name, score in expected.items():
        assert SCORES[name](probs, labels) == pytest.approx(score, abs=1e-12)


def test_probabilities_of_nought_and_one_have_scores():
    probs = np.array([0.0, 1.0, 0.0, 1.0, 0.2, 0.7, 1.0])
    labels = np.array([True, False, False, True, False, True, True])
    for score in SCORES.values():
        assert np.isfinite(score(probs, labels)).all()
