"""The vote: exact for one, blind to order, and only over the same images."""

from itertools import permutations

import numpy as np
import pytest
from made_results import made_index, made_predictions, made_splits
from scipy.stats import rankdata

from pipeline.base.findings import FINDINGS
from pipeline.errors import ArtifactError
from pipeline.results.evaluation.files.systems import aligned
from pipeline.results.evaluation.vote import VOTES, mean_vote, rank_vote, vote
from pipeline.results.statistics.metrics import auroc_of


def soft_vote(systems):
    return vote(systems, mean_vote)


@pytest.fixture(scope="module")
def votes():
    index = made_index(patients=12)
    splits = made_splits(index)
    return {
        name: made_predictions(index, splits, seed=seed)
        for seed, name in enumerate(["a.fusion", "b.fusion", "c.fusion"])
    }


@pytest.mark.parametrize("rule", VOTES)
def test_one_member_votes_for_itself_exactly(votes, rule):
    alone = votes["a.fusion"]
    tied = alone.assign(**{finding: alone[finding].round(1) for finding in FINDINGS})
    for frame in (alone, tied):
        assert vote({"a.fusion": frame}, VOTES[rule]).equals(frame)


@pytest.mark.parametrize("rule", VOTES)
def test_a_vote_is_a_probability_and_of_the_split_alone(votes, rule):
    whole = vote(votes, VOTES[rule])
    assert whole[list(FINDINGS)].stack().between(0, 1).all()
    for split in ("val", "test"):
        part = {name: frame[frame["split"] == split] for name, frame in votes.items()}
        here = whole[whole["split"] == split].reset_index(drop=True)
        assert vote(part, VOTES[rule]).equals(here)


def test_a_rank_vote_has_the_order_of_the_mean_ranks_whatever_the_scales():
    rng = np.random.default_rng(0)
    votes = rng.random((3, 200)).round(1)  # with ties
    squeezed = np.stack([votes[0], votes[1] ** 9, 0.5 + votes[2] / 100])
    ranks = rankdata(votes, axis=1).mean(axis=0)
    targets = rng.random(200) < votes.mean(axis=0)
    for found in (rank_vote(votes), rank_vote(squeezed)):
        assert auroc_of(targets, found) == auroc_of(targets, ranks)
        assert ((found > 0) & (found < 1)).all()


def test_a_rank_vote_by_hand():
    votes = np.array([[0.1, 0.2, 0.9], [0.3, 0.1, 0.5]])
    # ranks 1 2 3 and 2 1 3
    assert rank_vote(votes) == pytest.approx([1 / 3, 1 / 3, 2.5 / 3])


def test_a_member_that_lacks_a_finding_is_refused(votes):
    with pytest.raises(ArtifactError, match=r"b.fusion .*lacks Mass"):
        soft_vote(
            {"a.fusion": votes["a.fusion"], "b.fusion": votes["b.fusion"].drop(columns="Mass")}
        )


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
