"""Rankings: every label once, the most doubtful first, with what is usual; noise is found."""

import numpy as np
import pandas as pd
import pytest
from made_results import made_index, made_predictions, made_splits
from scipy.special import expit

from pipeline.base.findings import FINDINGS
from pipeline.cohort.phantom.labels import mine_labels
from pipeline.cohort.phantom.population import draw_population
from pipeline.errors import ArtifactError
from pipeline.results.suspects.label_scores import SCORES
from pipeline.results.suspects.ranking import RANKED, USUAL, rank_labels, spelt


@pytest.fixture(scope="module")
def cohort():
    index = made_index()
    return index, made_predictions(index, made_splits(index), signal=2.0)


@pytest.fixture(scope="module")
def ranking(cohort):
    index, predictions = cohort
    return rank_labels(predictions, index, SCORES["odds"])


def test_every_label_of_every_predicted_image_is_there_once(cohort, ranking):
    index, predictions = cohort
    labels = ranking.labels
    assert list(labels.columns) == list(RANKED)
    assert len(labels) == len(predictions) * len(FINDINGS)
    assert not labels.duplicated(["image_index", "finding"]).any()
    truth, probs = index.set_index("image_index"), predictions.set_index("image_index")
    for row in labels.iloc[::97].to_dict("records"):
        assert row["labelled"] == truth.loc[row["image_index"], row["finding"]]
        assert row["prob"] == probs.loc[row["image_index"], row["finding"]]
        assert row["split"] == probs.loc[row["image_index"], "split"]


def test_a_label_that_is_unknown_is_not_ranked_and_changes_no_other_finding(cohort, ranking):
    index, predictions = cohort
    partly = index.astype({"Mass": "boolean", "Hernia": "boolean"})
    partly.loc[::3, "Mass"] = pd.NA
    partly["Hernia"] = pd.NA
    found = rank_labels(predictions, partly, SCORES["odds"])
    assert any("Hernia in test: no label is known" in one for one in found.left_out)
    assert "Hernia" not in set(found.labels["finding"])
    unknown = set(partly.loc[partly["Mass"].isna(), "image_index"])
    mass = found.labels[found.labels["finding"].eq("Mass")]
    assert set(mass["image_index"]) == set(predictions["image_index"]) - unknown
    kept = predictions[~predictions["image_index"].isin(unknown)]
    alone = rank_labels(kept, index, SCORES["odds"]).labels
    of_mass = alone[alone["finding"].eq("Mass")].set_index("image_index")["score"]
    pd.testing.assert_series_equal(mass.set_index("image_index")["score"], of_mass)
    others = ~ranking.labels["finding"].isin(["Mass", "Hernia"])
    same = found.labels[found.labels["finding"].ne("Mass")].drop(columns="rank")
    expected = ranking.labels[others].drop(columns="rank")
    pd.testing.assert_frame_equal(same.reset_index(drop=True), expected.reset_index(drop=True))


def test_the_most_doubtful_come_first(ranking):
    labels = ranking.labels
    assert list(labels["rank"]) == list(range(1, len(labels) + 1))
    assert labels["score"].is_monotonic_decreasing


def test_what_is_usual_is_the_middle_half_of_the_same_finding_split_and_label(cohort, ranking):
    index, predictions = cohort
    assert list(ranking.usual.columns) == list(USUAL)
    assert len(ranking.usual) == 2 * 2 * len(FINDINGS)
    row = ranking.labels[ranking.labels["finding"].eq("Mass")].iloc[3]
    given = index.set_index("image_index").loc[predictions["image_index"], "Mass"].to_numpy()
    here = predictions["split"].eq(row["split"]).to_numpy()
    for name, label in (("usual", row["labelled"]), ("other", not row["labelled"])):
        probs = predictions.loc[here & (given == label), "Mass"].astype(float)
        ends = [row[f"{name}_low"], row[f"{name}_high"]]
        assert ends == pytest.approx(list(probs.quantile([0.25, 0.75])))


def test_beyond_counts_those_with_the_same_label_that_are_less_doubtful(ranking):
    here = ranking.labels.query("finding == 'Nodule' and split == 'val'")
    for row in here.to_dict("records"):
        same = here[here["labelled"] == row["labelled"]]["prob"]
        less = (same > row["prob"]) if row["labelled"] else (same < row["prob"])
        assert row["beyond"] == pytest.approx(less.mean())


def test_a_probability_is_told_from_nought_and_one():
    said = {
        0.0: "0",
        0.00042: "0.0004",
        0.0123: "0.01",
        0.5: "0.50",
        0.987: "0.99",
        0.998: "0.998",
    }
    assert {prob: spelt(prob) for prob in said} == said


def test_one_order_whatever_the_order_of_images(cohort, ranking):
    index, predictions = cohort
    shuffled = predictions.sample(frac=1, random_state=0, ignore_index=True)
    again = rank_labels(shuffled, index, SCORES["odds"]).labels
    pd.testing.assert_frame_equal(again, ranking.labels)


def test_what_cannot_be_judged_is_left_out_by_name(cohort):
    index, predictions = cohort
    predictions = predictions.assign(Hernia=0.5)
    index = index.assign(Edema=False)
    found = rank_labels(predictions, index, SCORES["odds"])
    assert not set(found.labels["finding"]) & {"Edema", "Hernia"}
    assert found.left_out == [
        "Edema in test: none of its 40 images have the label",
        "Hernia in test: probabilities are not higher where the label is given",
        "Edema in val: none of its 40 images have the label",
        "Hernia in val: probabilities are not higher where the label is given",
    ]


def test_nothing_that_can_be_judged_is_refused(cohort):
    index, predictions = cohort
    few = predictions[["image_index", "split"]].assign(Mass=0.3)
    with pytest.raises(ArtifactError, match="no finding can be judged; Mass in test: prob"):
        rank_labels(few, index, SCORES["odds"])


@pytest.fixture(scope="module")
def noisy():
    """The synthetic cohort's labels, and a reader who sees severities up to noise."""
    drawn = draw_population(seed=1, patients=900, prevalence_scale=2.0)
    test = drawn.images["test"].to_numpy()
    labels = mine_labels(drawn.severities, test, seed=1, label_noise=0.1)
    rng = np.random.default_rng(0)
    seen = expit(4 * drawn.severities - 3 + rng.normal(size=drawn.severities.shape))
    names = drawn.images[["image_index"]]
    index = pd.concat([names, labels], axis=1)
    predictions = pd.concat([names, seen], axis=1).assign(split=np.where(test, "test", "val"))
    wrong = ((drawn.severities > 0) != labels).set_axis(names["image_index"])
    return index, predictions, wrong


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("side", [None, True, False])
def test_of_the_first_hundred_three_times_as_many_are_noise_as_of_all(noisy, name, side):
    index, predictions, wrong = noisy
    ranked = rank_labels(predictions, index, SCORES[name]).labels
    ranked = ranked if side is None else ranked[ranked["labelled"] == side]
    is_wrong = np.array(
        [wrong.at[one.image_index, one.finding] for one in ranked.itertuples()]
    )  # fmt: skip
    assert is_wrong[:100].mean() > 3 * is_wrong.mean()
