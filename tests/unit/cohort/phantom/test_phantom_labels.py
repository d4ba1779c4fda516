"""Text-mined labels of the synthetic cohort, and their ceiling."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.findings import FINDINGS
from pipeline.cohort.phantom.labels import ceiling, mine_labels
from pipeline.cohort.phantom.population import draw_population


@pytest.fixture(scope="module")
def population():
    return draw_population(seed=5, patients=2000, prevalence_scale=2.0)


def _mine(population, noise: float, seed: int = 1):
    test = population.images["test"].to_numpy()
    return mine_labels(population.severities, test, seed=seed, label_noise=noise), test


def test_without_noise_labels_are_the_truth_and_the_ceiling_is_one(population):
    labels, test = _mine(population, 0.0)
    assert labels.equals(population.severities > 0)
    assert ceiling(population.severities, labels, test)["mean_auroc"] == 1


@given(noise=st.floats(0, 0.5), seed=st.integers(0, 100))
def test_as_many_labels_are_missed_as_invented(population, noise, seed):
    labels, test = _mine(population, noise, seed)
    truth = population.severities > 0
    for rows in (test, ~test):
        missed = (truth & ~labels)[rows].sum()
        invented = (labels & ~truth)[rows].sum()
        assert missed.equals(invented)
        assert np.allclose(missed, noise * truth[rows].sum(), atol=0.5)


def test_mild_findings_are_missed_first(population):
    labels, _ = _mine(population, 0.1)
    severity, missed = population.severities.to_numpy(), ~labels.to_numpy()
    assert severity[missed & (severity > 0)].mean() < 0.68
    assert severity[~missed & (severity > 0)].mean() > 0.74


def test_the_ceiling_is_the_share_of_pairs_in_order(population):
    labels, test = _mine(population, 0.1)
    found = ceiling(population.severities, labels, test)
    for finding in ("Effusion", "Hernia"):
        severity, label = population.severities[finding][test], labels[finding][test]
        positives, negatives = severity[label].to_numpy(), severity[~label].to_numpy()
        above = (positives[:, None] > negatives).mean()
        level = (positives[:, None] == negatives).mean()
        assert found["auroc"][finding] == pytest.approx(above + level / 2)


def test_the_ceiling_of_ten_percent_noise_leaves_room(population):
    labels, test = _mine(population, 0.1)
    found = ceiling(population.severities, labels, test)
    assert set(found["auroc"]) == set(FINDINGS)
    assert 0.92 < found["mean_auroc"] < 0.96
    assert found["n_test_images"] == test.sum()


def test_a_finding_without_positives_is_named_and_not_averaged():
    severities = pd.DataFrame(0.0, index=range(6), columns=list(FINDINGS))
    severities.loc[:2, "Mass"] = 0.5
    found = ceiling(severities, severities > 0, np.ones(6, bool))
    assert found["auroc"] == {"Mass": 1.0}
    assert len(found["undefined"]) == len(FINDINGS) - 1
    json.dumps(found, allow_nan=False)
