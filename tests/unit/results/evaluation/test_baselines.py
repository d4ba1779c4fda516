"""Baselines without an image: the metadata floor and the prevalence."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_results import made_index, made_predictions, made_splits

from pipeline.base.findings import FINDINGS
from pipeline.errors import CohortError
from pipeline.results.evaluation.baselines import (
    floors,
    metadata_only,
    prevalence,
    shuffled,
)
from pipeline.results.evaluation.files.systems import FLOORS
from pipeline.results.statistics.metrics import auroc_of

NIH = Path(__file__).parents[4] / "../shared/nih-sample"


@pytest.fixture(scope="module")
def index():
    return made_index(patients=150)


def test_prevalence_is_the_training_share_for_every_held_out_image(index):
    splits = made_splits(index)
    table = prevalence(index, splits)
    train = index[splits["split"].eq("train")]
    assert set(table["split"]) == {"val", "test"}
    for finding in FINDINGS:
        assert np.allclose(table[finding], train[finding].mean())


def test_a_finding_of_the_old_is_predicted_from_age_alone(index):
    old = index.assign(Hernia=index["age_years"] > 70)
    splits = made_splits(old)
    table = metadata_only(old, splits).merge(old[["image_index", "Hernia"]], on="image_index")
    assert auroc_of(table["Hernia_y"].to_numpy(bool), table["Hernia_x"].to_numpy()) > 0.95


def test_a_finding_that_training_never_shows_gets_its_prevalence(index):
    splits = made_splits(index)
    never = index.assign(Hernia=index["Hernia"] & splits["split"].ne("train"))
    assert (metadata_only(never, splits)["Hernia"] == 0).all()


def test_held_out_labels_and_ages_change_no_prediction_of_others(index):
    splits = made_splits(index)
    test = splits["split"].eq("test")
    other = index.assign(
        Mass=index["Mass"] ^ test, age_years=index["age_years"].where(~test, other=33.0)
    )
    before, after = (metadata_only(table, splits) for table in (index, other))
    val = before["split"].eq("val")
    assert before[val].equals(after[val])


def test_no_training_image_is_refused(index):
    splits = made_splits(index).assign(split="test")
    with pytest.raises(CohortError, match="no image"):
        metadata_only(index, splits)


@pytest.mark.skipif(not NIH.is_dir(), reason="needs the real NIH tables beside the project")
def test_the_floor_of_the_official_test_list_is_the_known_one():
    csv = pd.read_csv(NIH / "Data_Entry_2017_v2020.csv")
    labels = csv["Finding Labels"].str.get_dummies()
    index = pd.DataFrame(
        {
            "image_index": csv["Image Index"],
            "age_years": csv["Patient Age"].astype(float),
            "gender": csv["Patient Gender"],
            "view_position": csv["View Position"],
            **{finding: labels[finding].astype(bool) for finding in FINDINGS},
        }
    )
    test = index["image_index"].isin((NIH / "test_list.txt").read_text().split())
    splits = index[["image_index"]].assign(split=np.where(test, "test", "train"))
    table = metadata_only(index, splits)
    truth = index[test].set_index("image_index").loc[table["image_index"]]
    aurocs = {f: auroc_of(truth[f].to_numpy(), table[f].to_numpy()) for f in FINDINGS}
    assert np.mean(list(aurocs.values())) == pytest.approx(0.602, abs=0.001)
    assert aurocs["Hernia"] == pytest.approx(0.843, abs=0.002)
    assert aurocs["Edema"] == pytest.approx(0.698, abs=0.002)
    assert aurocs["Fibrosis"] == pytest.approx(0.684, abs=0.002)


def test_shuffled_predictions_are_the_same_rows_on_other_images_of_their_split(index):
    splits = made_splits(index)
    frame = made_predictions(index, splits)
    dealt = shuffled(frame, seed=1)
    assert dealt[["image_index", "split"]].equals(frame[["image_index", "split"]])
    for split in ("val", "test"):
        rows = [
            sorted(map(tuple, table.loc[table["split"] == split, list(FINDINGS)].to_numpy()))
            for table in (frame, dealt)
        ]
        assert rows[0] == rows[1]
    assert (frame["Mass"] == dealt["Mass"]).mean() < 0.1
    assert shuffled(frame.sample(frac=1, random_state=0), seed=1).equals(dealt)


def test_floors_are_of_the_findings_that_are_predicted(index):
    splits = made_splits(index)
    few = made_predictions(index, splits)[["image_index", "split", "Mass"]]
    found = floors(few, index, splits, seed=0)
    assert tuple(found) == FLOORS
    assert all(list(frame) == list(few) for frame in found.values())
