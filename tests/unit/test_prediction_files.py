"""Predictions of any make: columns found by the findings' names, everything else refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_results import made_index, made_predictions, made_splits

from pipeline.artifacts.prediction_files import read_prediction_file, read_prediction_files
from pipeline.errors import ArtifactError
from pipeline.findings import FINDINGS

SHARED = Path(__file__).parents[2] / "../shared"


@pytest.fixture(scope="module")
def ours():
    index = made_index(patients=12)
    return made_predictions(index, made_splits(index))


def written(frame, path):
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def named(frame, pattern):
    """The same with columns such as `prob_*`."""
    return frame.rename(columns={f: pattern.replace("*", f) for f in FINDINGS})


@pytest.mark.parametrize("file", ["p.csv", "p.csv.gz", "p.parquet"])
def test_our_own_table_is_read_as_it_is(ours, tmp_path, file):
    found = read_prediction_file(written(ours, tmp_path / file))
    assert list(found) == ["image_index", *FINDINGS, "split"]
    pd.testing.assert_frame_equal(found[list(ours)], ours, check_dtype=False, rtol=1e-6)


@pytest.mark.parametrize("pattern", ["*", "prob_*", "P(*)", "*_pred", "Model A: *"])
def test_a_column_is_named_by_its_finding_and_what_all_have_in_common(ours, tmp_path, pattern):
    found = read_prediction_file(written(named(ours, pattern), tmp_path / "p.csv"))
    np.testing.assert_allclose(found[list(FINDINGS)], ours[list(FINDINGS)], rtol=1e-6)


def test_columns_in_another_order_and_spelling_are_the_same_findings(ours, tmp_path):
    spelt = ours.rename(
        columns={
            "Infiltration": "infiltrate", "Pleural_Thickening": "Pleural Thickening",
            "image_index": "Image Index", "Mass": "MASS",
        }
    )  # fmt: skip
    backwards = spelt[spelt.columns[::-1]]
    found = read_prediction_file(written(backwards, tmp_path / "p.csv"))
    np.testing.assert_allclose(found[list(FINDINGS)], ours[list(FINDINGS)], rtol=1e-6)


def test_folders_before_an_images_name_are_left_out(ours, tmp_path):
    moved = ours.assign(image_index="images_001/images/" + ours["image_index"])
    found = read_prediction_file(written(moved, tmp_path / "p.csv"))
    assert list(found["image_index"]) == list(ours["image_index"])


def test_fewer_findings_are_read_and_extra_columns_are_not(ours, tmp_path):
    few = ours[["image_index", "Mass", "Hernia"]].assign(fold=1, comment="x")
    found = read_prediction_file(written(few, tmp_path / "p.csv"))
    assert list(found) == ["image_index", "Mass", "Hernia"]


def test_of_two_kinds_of_columns_the_named_one_is_read(ours, tmp_path):
    labels = named(ours, "label_*").drop(columns=["image_index", "split"]).round()
    path = written(pd.concat([named(ours, "prob_*"), labels], axis=1), tmp_path / "p.csv")
    with pytest.raises(ArtifactError, match=r"prob_\* \(14\), label_\* \(14\).*--columns"):
        read_prediction_file(path)
    found = read_prediction_file(path, affix="prob_*")
    np.testing.assert_allclose(found["Mass"], ours["Mass"], rtol=1e-6)
    with pytest.raises(ArtifactError, match=r"no columns p_\*; found prob_\*, label_\*"):
        read_prediction_file(path, affix="p_*")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="image_index"), "no column names the radiograph"),
        (lambda t: t[["image_index", "split"]], "no column is named by a finding"),
        (lambda t: t.assign(Mass=t["Mass"] * 9 - 3), "Mass: .* of 16 .* sigmoid"),
        (lambda t: t.assign(Mass=np.nan), "Mass: 16 of 16 values are no probability"),
        (lambda t: t.assign(Mass="high"), "Mass: 16 of 16 values are no probability"),
        (lambda t: pd.concat([t, t.iloc[:2]]), "names 2 images more than once; first: 00"),
        (lambda t: t.assign(split="valid"), "split is one of train, val, test; found 'valid'"),
        (lambda t: t.iloc[:0], "holds no prediction"),
    ],
)
def test_what_is_no_table_of_probabilities_is_refused_by_name(ours, tmp_path, change, message):
    with pytest.raises(ArtifactError, match=message):
        read_prediction_file(written(change(ours), tmp_path / "p.csv"))


def test_a_missing_or_damaged_file_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"p.csv: no such file"):
        read_prediction_file(tmp_path / "p.csv")
    (tmp_path / "p.parquet").write_bytes(b"PAR1 or so")
    with pytest.raises(ArtifactError, match="neither csv nor parquet"):
        read_prediction_file(tmp_path / "p.parquet")


def test_without_a_split_all_images_are_test_and_others_may_be_validation(ours, tmp_path):
    test, val = (
        written(ours[ours["split"] == one].drop(columns="split"), tmp_path / f"{one}.csv")
        for one in ("test", "val")
    )
    found = read_prediction_files([test], val)["test.csv"]
    expected = ours.sort_values("split", kind="stable", ignore_index=True)
    assert list(found["split"]) == list(expected["split"])
    assert list(found["image_index"]) == list(expected["image_index"])
    with pytest.raises(ArtifactError, match="8 of its images are among those to be evaluated"):
        read_prediction_files([test], test)


def test_validation_predictions_of_other_findings_are_refused(ours, tmp_path):
    plain = ours.drop(columns="split")
    test = written(plain[ours["split"] == "test"], tmp_path / "test.csv")
    val = written(plain[ours["split"] == "val"].drop(columns="Mass"), tmp_path / "val.csv")
    with pytest.raises(ArtifactError, match="other findings; different: Mass"):
        read_prediction_files([test], val)


def test_files_of_one_name_stay_two(ours, tmp_path):
    (tmp_path / "b").mkdir()
    paths = [written(ours, tmp_path / "p.csv"), written(ours, tmp_path / "b/p.csv")]
    assert list(read_prediction_files(paths, None)) == ["p.csv", str(tmp_path / "b/p.csv")]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs public real predictions beside the project")
def test_a_public_models_file_is_read_as_it_is():
    path = SHARED / "real-predictions/nih_densenet121_random_split_preds.csv"
    found = read_prediction_file(path)
    assert found.shape == (22_433, 15)
    raw = pd.read_csv(path)
    np.testing.assert_allclose(found["Hernia"], raw["prob_Hernia"], rtol=1e-12)
