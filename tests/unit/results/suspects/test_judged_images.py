"""Whose probabilities judge which images: those that were learnt are left out, and it is said."""

import re

import pandas as pd
import pytest
from made_results import made_index, made_predictions, made_splits

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import write_predictions
from pipeline.errors import ArtifactError
from pipeline.results.suspects.judged_images import is_file, of_file, of_system

INDEX = made_index(9, 2)
SPLITS = made_splits(INDEX)
ALL = pd.concat(
    [made_predictions(INDEX, SPLITS.assign(split="val"))[list(FINDINGS)], SPLITS], axis=1
)
"""Of training images, too."""


@pytest.fixture
def file(tmp_path):
    def write(frame):
        frame.to_csv(tmp_path / "p.csv", index=False)
        return tmp_path / "p.csv"

    return write


def test_training_images_are_not_judged_and_that_is_said(file):
    found = of_file(file(ALL), INDEX, None, out_of_fold=False)
    assert set(found.predictions["split"]) == {"val", "test"}
    assert found.read == (
        "p.csv: 12 images (6 val, 6 test) (its column split); 6 training images are not judged"
    )


def test_out_of_fold_they_are_as_told(file):
    found = of_file(file(ALL), INDEX, None, out_of_fold=True)
    assert len(found.predictions) == 18
    assert found.read.endswith("(its column split); 6 training images out of fold, as told")


def test_a_file_without_splits_has_those_of_the_run(file):
    found = of_file(file(ALL.drop(columns="split")), INDEX, SPLITS, out_of_fold=False)
    known = SPLITS.set_index("image_index")["split"]
    assert (known.loc[found.predictions["image_index"]] == "train").sum() == 0
    assert "(this run's splits); 6 training images are not judged" in found.read


def test_where_there_is_no_run_either_all_are_test(file):
    found = of_file(file(ALL.drop(columns="split")), INDEX, None, out_of_fold=False)
    assert set(found.predictions["split"]) == {"test"}
    assert found.read == "p.csv: 18 images (18 test) (no column split: all test)"


def test_training_images_alone_are_refused_with_the_way_out(file):
    trained = ALL[ALL["split"] == "train"]
    with pytest.raises(
        ArtifactError, match=r"all its 6 images are training images.*--out-of-fold"
    ):
        of_file(file(trained), INDEX, None, out_of_fold=False)
    assert len(of_file(file(trained), INDEX, None, out_of_fold=True).predictions) == 6


def test_an_image_without_a_split_is_named(file):
    with pytest.raises(ArtifactError, match="16 of 18 images have no split in this run; first: "):
        of_file(file(ALL.drop(columns="split")), INDEX, SPLITS[:2], out_of_fold=False)


def test_an_image_under_two_spellings_is_named(file):
    again = ALL[:1].assign(image_index="00000000_000")
    with pytest.raises(ArtifactError, match="has two rows for 1 images; first: 00000000_000"):
        of_file(file(pd.concat([ALL, again])), INDEX, None, out_of_fold=False)


def test_an_image_without_a_label_is_named(file):
    with pytest.raises(ArtifactError, match="are not in the labels; first: 00000008_001"):
        of_file(file(ALL), INDEX[:-1], None, out_of_fold=False)


def test_a_system_is_read_by_its_name_and_another_is_refused_by_the_nearest(tmp_path):
    frame = made_predictions(INDEX, SPLITS)
    for name in ("ensemble", "model.fusion"):
        write_predictions(frame, tmp_path / f"{name}.parquet")
    found = of_system("model.fusion", tmp_path)
    assert len(found.predictions) == 12
    assert found.read == "model.fusion: 12 images (6 val, 6 test); calibrated on validation"
    with pytest.raises(ArtifactError, match=re.escape("did you mean model.fusion?")):
        of_system("model.fusoin", tmp_path)


def test_a_run_without_predictions_says_how_to_get_them(tmp_path):
    with pytest.raises(ArtifactError, match="`dvc repro evaluate` makes them"):
        of_system("ensemble", tmp_path / "none")


def test_a_path_is_told_from_a_name(tmp_path):
    (tmp_path / "odd").touch()
    assert [is_file(one) for one in ("a.csv", "b/a.parquet", "a.csv.gz", str(tmp_path / "odd"))]
    assert not is_file("ensemble")
    assert not is_file("model.fusion")
