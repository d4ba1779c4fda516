import logging
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.findings import FINDINGS
from pipeline.cohort.reading.cohort_source import find_cohort
from pipeline.cohort.reading.nih import parse_entries
from pipeline.cohort.reading.nih_lists import parse_lists
from pipeline.cohort.splitting.split import (
    assign_splits,
    check_learnable,
    check_positives,
    count_splits,
)
from pipeline.errors import CohortError
from pipeline.params.sections import SplitParams

PARAMS = SplitParams(seed=0, val_fraction=0.2, test_fraction=0.25, min_positives=0)
NO_LISTS = pd.DataFrame({"image_index": [], "official": []}, dtype=str)


def seeded(seed: int) -> SplitParams:
    return PARAMS.model_copy(update={"seed": seed})


def made_index(patients: int, seed: int, most: float = 0.3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    patient_ids = np.repeat(np.arange(patients) * 7 + 3, rng.geometric(0.4, patients))
    names = [f"{number:05d}.png" for number in rng.permutation(len(patient_ids))]
    prevalence = np.geomspace(most, most / 30, len(FINDINGS))
    targets = rng.random((len(names), len(FINDINGS))) < prevalence
    return pd.DataFrame(
        {
            "image_index": names,
            "patient_id": patient_ids,
            **dict(zip(FINDINGS, targets.T, strict=True)),
        }
    )


def official_lists(index: pd.DataFrame, seed: int) -> pd.DataFrame:
    patients = index["patient_id"].unique()
    test = np.random.default_rng(seed).choice(patients, len(patients) // 4, replace=False)
    official = np.where(index["patient_id"].isin(test), "test", "train_val")
    return pd.DataFrame({"image_index": index["image_index"], "official": official})


cohorts = st.tuples(st.integers(12, 80), st.integers(0, 10_000)).map(lambda a: made_index(*a))
either_lists = st.booleans()


@settings(deadline=None)
@given(index=cohorts, listed=either_lists, seed=st.integers(0, 99))
def test_every_image_is_in_one_split_and_no_patient_in_two(index, listed, seed):
    lists = official_lists(index, seed) if listed else NO_LISTS
    splits = assign_splits(index, lists, seeded(seed))
    assert splits["image_index"].tolist() == sorted(index["image_index"])
    table = index.merge(splits, on="image_index")
    assert table.groupby("patient_id")["split"].nunique().max() == 1
    assert set(splits["split"]) == {"train", "val", "test"}


@settings(deadline=None)
@given(index=cohorts, seed=st.integers(0, 99), shuffle=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(index, seed, shuffle):
    lists = official_lists(index, seed)
    shuffled = index.sample(frac=1, random_state=shuffle)
    again = assign_splits(shuffled, lists[::-1], seeded(seed))
    assert again.equals(assign_splits(index, lists, seeded(seed)))


@settings(deadline=None)
@given(index=cohorts, seed=st.integers(0, 99))
def test_the_official_test_list_is_kept_exactly(index, seed):
    lists = official_lists(index, seed)
    splits = assign_splits(index, lists, seeded(seed))
    held_out = set(splits["image_index"][splits["split"] == "test"])
    assert held_out == set(lists["image_index"][lists["official"] == "test"])


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_the_fractions_are_of_patients_where_enough_have_no_finding(listed, seed):
    index = made_index(400, seed, most=0.08)
    lists = official_lists(index, seed) if listed else NO_LISTS
    counts = count_splits(index, assign_splits(index, lists, seeded(seed)))
    patients = {name: split["patients"] for name, split in counts.items()}
    assert patients["test"] == pytest.approx(100, abs=1)
    assert patients["val"] == pytest.approx(60, abs=1)


def test_another_seed_gives_another_validation_set():
    index = made_index(60, 1)
    one, other = (assign_splits(index, NO_LISTS, seeded(seed)) for seed in (1, 2))
    assert not one.equals(other)


def index_and_splits(val_positives: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """100 patients of one image, 20 of them with Hernia, 20 in val, 10 in test."""
    names = [f"{number:03d}.png" for number in range(100)]
    index = pd.DataFrame({"image_index": names, "patient_id": range(100)})
    index[list(FINDINGS)] = False
    index.loc[20 - val_positives : 39 - val_positives, "Hernia"] = True
    split = ["val"] * 20 + ["train"] * 70 + ["test"] * 10
    return index, pd.DataFrame({"image_index": names, "split": split})


def test_a_validation_set_short_of_a_finding_is_refused_by_name_and_count():
    index, splits = index_and_splits(val_positives=3)
    params = PARAMS.model_copy(update={"min_positives": 4})  # 20 patients x 0.2
    with pytest.raises(CohortError, match="Hernia: 3 positives in validation, 20 patients"):
        check_positives(index, splits, params)
    check_positives(*index_and_splits(val_positives=4), params)


def test_a_finding_with_too_few_patients_is_named_and_let_through(caplog):
    index, splits = index_and_splits(val_positives=3)
    with caplog.at_level(logging.WARNING):
        check_positives(index, splits, PARAMS.model_copy(update={"min_positives": 5}))
    assert "Hernia: 3 positives in validation, 20 patients" in caplog.text


def test_an_empty_split_is_refused():
    with pytest.raises(CohortError, match="no patient is left for val and test out of 2"):
        assign_splits(made_index(2, 0), NO_LISTS, PARAMS)


def test_official_lists_without_a_test_image_are_refused_not_replaced_by_chance():
    index = made_index(40, 0)
    lists = pd.DataFrame({"image_index": index["image_index"], "official": "train_val"})
    with pytest.raises(CohortError, match=r"have none of these \d+ images for test; use"):
        assign_splits(index, lists, PARAMS)


def test_a_cohort_of_training_images_only_is_not_told_to_raise_a_fraction():
    index = made_index(40, 0)
    lists = pd.DataFrame({"image_index": index["image_index"], "official": "train_val"})
    with pytest.raises(CohortError) as error:
        assign_splits(index, lists, PARAMS)
    assert "fraction" not in str(error.value)
    assert "remove both lists for a random split" in str(error.value)


def test_a_finding_that_training_never_shows_is_refused_by_name():
    index, splits = index_and_splits(val_positives=20)
    for finding in set(FINDINGS) - {"Mass"}:
        index[finding] = np.arange(100) % 2 == 0
    with pytest.raises(CohortError, match="no network can learn Mass: all 70 training images"):
        check_learnable(index, splits)


def test_lists_that_divide_a_patient_are_refused():
    index = pd.DataFrame({"image_index": ["a.png", "b.png"], "patient_id": [5, 5]})
    lists = pd.DataFrame({"image_index": ["a.png", "b.png"], "official": ["test", "train_val"]})
    with pytest.raises(CohortError, match=r"divide 1 patients .*first: patient 5"):
        assign_splits(index, lists, PARAMS)


def test_lists_that_leave_an_image_out_are_refused():
    index = made_index(20, 0)
    with pytest.raises(CohortError, match=r"1 of .* images are in neither official list"):
        assign_splits(index, official_lists(index, 0)[1:], PARAMS)


def test_counts_add_up_to_the_cohort():
    index = made_index(60, 1)
    counts = count_splits(index, assign_splits(index, NO_LISTS, PARAMS)).values()
    assert sum(split["images"] for split in counts) == len(index)
    assert sum(split["patients"] for split in counts) == 60
    for finding in FINDINGS:
        assert sum(split["positives"][finding] for split in counts) == index[finding].sum()


SAMPLE = Path(__file__).parents[4] / "../shared/nih-sample"


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the real metadata is not here")
def test_the_real_cohort_is_split_in_seconds_and_every_finding_in_proportion():
    cohort = find_cohort(SAMPLE)
    index = parse_entries(cohort.entries).table
    lists = parse_lists(cohort.train_val, cohort.test, index["image_index"]).table
    params = SplitParams(seed=7, val_fraction=0.05, test_fraction=0.2, min_positives=5)
    start = time.process_time()
    counts = count_splits(index, assign_splits(index, lists, params))
    assert time.process_time() - start < 10
    assert (counts["test"]["images"], counts["test"]["patients"]) == (25_596, 2_797)
    assert counts["test"]["positives"]["Pneumothorax"] == 2_665
    assert counts["train"]["patients"] + counts["val"]["patients"] == 28_008
    assert counts["val"]["patients"] == pytest.approx(0.05 * 28_008, abs=1)
    train_val = index.loc[
        ~index["image_index"].isin(lists["image_index"][lists["official"] == "test"])
    ]
    for finding, positives in counts["val"]["positives"].items():
        assert positives == pytest.approx(0.05 * train_val[finding].sum(), rel=0.05), finding
