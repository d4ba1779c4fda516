"""The soft vote: exact for one, blind to order, and only over the same images."""

from itertools import permutations

import numpy as np
import pytest
from made_results import made_index, made_predictions, made_splits

from pipeline.errors import ArtifactError
from pipeline.findings import FINDINGS
from pipeline.results.ensemble import soft_vote
from pipeline.results.systems import aligned


@pytest.fixture(scope="module")
def votes():
    index = made_index(patients=12)
    splits = made_splits(index)
    return {
        name: made_predictions(index, splits, seed=seed)
        for seed, name in enumerate(["a.fusion", "b.fusion", "c.fusion"])
    }


def test_one_member_votes_for_itself_exactly(votes):
    assert soft_vote({"a.fusion": votes["a.fusion"]}).equals(votes["a.fusion"])


def test_the_vote_is_the_mean_probability(votes):
    expected = sum(frame[list(FINDINGS)].astype(float) for frame in votes.values()) / 3
    np.testing.assert_allclose(soft_vote(votes)[list(FINDINGS)], expected, atol=1e-7)


def test_the_order_of_members_and_of_rows_changes_no_bit(votes):
    expected = soft_vote(votes)
    for names in permutations(votes):
        shuffled = {name: votes[name].sample(frac=1, random_state=0) for name in names}
        assert soft_vote(shuffled).equals(expected)


def test_members_on_other_images_are_refused_by_name_and_count(votes):
    fewer = votes["b.fusion"].iloc[1:]
    first = votes["b.fusion"]["image_index"].iloc[0]
    with pytest.raises(ArtifactError, match=f"16 images and b.fusion 15.*{first}.*a.fusion"):
        soft_vote({"a.fusion": votes["a.fusion"], "b.fusion": fewer})


def test_members_on_other_splits_are_refused_by_the_first_image(votes):
    moved = votes["b.fusion"].assign(split=lambda t: ["test", *t["split"].iloc[1:]])
    with pytest.raises(ArtifactError, match=r"1 of 16 .* is 'val' in a.fusion and 'test' in b"):
        soft_vote({"a.fusion": votes["a.fusion"], "b.fusion": moved})


def test_an_image_predicted_twice_is_refused(votes):
    frame = votes["a.fusion"]
    twice = frame.iloc[[0, *range(len(frame))]]
    with pytest.raises(ArtifactError, match="more than once"):
        aligned({"a.fusion": twice})


def test_no_members_are_refused():
    with pytest.raises(ArtifactError, match="at least one"):
        soft_vote({})
