"""Who is in the synthetic cohort, and who has what."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.findings import FINDINGS
from pipeline.cohort.phantom.population import (
    FEWEST_POSITIVES,
    Population,
    correlations,
    draw_population,
    target_prevalences,
)

REAL_PREVALENCE = {"Infiltration": 0.177, "Effusion": 0.119, "Nodule": 0.0565}


@pytest.fixture(scope="module")
def cohort() -> Population:
    return draw_population(seed=3, patients=2000, prevalence_scale=2.0)


@given(seed=st.integers(0, 2**40), patients=st.integers(50, 150))
@settings(max_examples=10)
def test_the_same_seed_draws_the_same_population(seed, patients):
    one, other = (
        draw_population(seed=seed, patients=patients, prevalence_scale=1.0) for _ in range(2)
    )
    pd.testing.assert_frame_equal(one.images, other.images)
    pd.testing.assert_frame_equal(one.severities, other.severities)


def test_another_seed_draws_another_population(cohort):
    other = draw_population(seed=4, patients=2000, prevalence_scale=2.0)
    assert not other.images["age_years"].head(100).equals(cohort.images["age_years"].head(100))


@given(seed=st.integers(0, 1000), patients=st.integers(50, 150), scale=st.floats(0.2, 8))
@settings(max_examples=15)
def test_every_finding_is_on_both_lists_and_not_everywhere(seed, patients, scale):
    population = draw_population(seed=seed, patients=patients, prevalence_scale=scale)
    present = population.severities > 0
    for _, rows in present.groupby(population.images["test"].to_numpy()):
        assert (rows.sum() >= min(FEWEST_POSITIVES, len(rows))).all()
        assert (rows.sum() < len(rows)).all()


def test_prevalences_follow_the_real_table(cohort):
    present = cohort.severities > 0
    test = cohort.images["test"].to_numpy()
    targets = target_prevalences(2.0)
    assert np.allclose(present[test].mean(), targets["test"], atol=1 / test.sum())
    assert np.allclose(present[~test].mean(), targets["train_val"], atol=1 / (~test).sum())
    for finding, real in REAL_PREVALENCE.items():
        assert present[finding].mean() == pytest.approx(2 * real, rel=0.1)
    assert present["Hernia"].mean() == pytest.approx(0.06, abs=0.01)


def test_the_test_list_is_a_fifth_of_the_patients_who_come_oftener_and_are_sicker(cohort):
    images, sick = cohort.images, (cohort.severities > 0).any(axis=1)
    test = images["test"]
    per_list = images.groupby("test")["patient_id"].nunique()
    assert per_list[True] == 400
    assert per_list[False] == 1600
    assert test.sum() / 400 > 1.3 * (~test).sum() / 1600
    assert sick[test].mean() > sick[~test].mean() + 0.1
    supine = images["view_position"] == "AP"
    assert supine[test].mean() == pytest.approx(0.566, abs=0.08)
    assert supine[~test].mean() == pytest.approx(0.350, abs=0.05)


def test_no_patient_is_on_two_lists(cohort):
    assert (cohort.images.groupby("patient_id")["test"].nunique() == 1).all()


def test_names_are_unique_and_made_of_patient_and_number(cohort):
    names = cohort.images["image_index"]
    assert names.is_unique
    assert names.str.fullmatch(r"\d{8}_\d{3}\.png").all()
    assert (names.str[:8].astype(int) == cohort.images["patient_id"]).all()


def test_time_runs_forward_for_every_patient(cohort):
    for _, images in cohort.images.groupby("patient_id"):
        assert images["follow_up"].is_monotonic_increasing
        assert images["age_years"].is_monotonic_increasing


def test_a_severity_is_absent_or_plainly_visible(cohort):
    values = cohort.severities.to_numpy()
    assert ((values == 0) | ((values >= 0.5) & (values <= 1))).all()


def test_findings_occur_together_as_in_the_real_table(cohort):
    present = cohort.severities > 0
    for one, other in (
        ("Effusion", "Atelectasis"),
        ("Effusion", "Cardiomegaly"),
        ("Emphysema", "Pneumothorax"),
        ("Infiltration", "Edema"),
        ("Pneumonia", "Edema"),
    ):
        expected = present[one].mean() * present[other].mean()
        assert (present[one] & present[other]).mean() > 1.3 * expected, (one, other)


def test_a_patients_images_resemble_each_other(cohort):
    present = (cohort.severities > 0).assign(patient=cohort.images["patient_id"])
    first, second = present.groupby("patient").nth(0), present.groupby("patient").nth(1)
    before = first.set_index("patient").loc[second["patient"]].to_numpy(bool)
    again = second.drop(columns="patient").to_numpy()
    assert again[before].mean() > 2 * again[~before].mean()


def test_the_correlations_are_those_of_a_distribution():
    matrix = correlations()
    assert matrix.shape == (len(FINDINGS), len(FINDINGS))
    assert np.array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix).min() > 0.05
