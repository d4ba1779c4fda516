import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cohort.splitting.stratify import share_out


@given(
    seed=st.integers(0, 999),
    examples=st.integers(1, 200),
    val=st.floats(0.05, 0.5),
    prevalence=st.floats(0.01, 0.9),
)
def test_one_label_is_shared_out_to_within_one_example(seed, examples, val, prevalence):
    counts = (np.random.default_rng(seed).random((examples, 1)) < prevalence).astype(np.int64)
    subset = share_out(counts, np.array([1 - val, val]), seed=seed)
    assert abs((subset == 1).sum() - val * examples) <= 1
    assert abs(counts[subset == 1].sum() - val * counts.sum()) <= 1


def test_large_counts_are_shared_out_too():
    counts = np.array([[100]] * 10 + [[1]] * 90)
    subset = share_out(counts, np.array([0.9, 0.1]), seed=0)
    assert counts[subset == 1].sum() == 100 + 9


def test_the_seed_decides_among_equals_and_nothing_else_does():
    counts = np.ones((50, 2), np.int64)
    one, again, other = (share_out(counts, np.array([0.8, 0.2]), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert (one == 1).sum() == (other == 1).sum() == 10


def test_three_subsets_get_their_shares_of_correlated_labels():
    rng = np.random.default_rng(5)
    sick = rng.random(3000)
    counts = (rng.random((3000, 5)) < sick[:, None] * [0.5, 0.2, 0.1, 0.05, 0.02]).astype(int)
    fractions = np.array([0.7, 0.1, 0.2])
    subset = share_out(counts, fractions, seed=3)
    shares = [counts[subset == part].sum(axis=0) / counts.sum(axis=0) for part in range(3)]
    assert np.abs(np.array(shares) - fractions[:, None]).max() < 0.04
    assert np.bincount(subset) / 3000 == pytest.approx(fractions, abs=0.001)
