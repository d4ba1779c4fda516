"""Predictions of any make: columns found by the findings' names, everything else refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_results import made_index, made_predictions, made_splits

from pipeline.base.findings import FINDINGS
from pipeline.errors import ArtifactError
from pipeline.results.evaluation.files.prediction_columns import IMAGE_COLUMNS
from pipeline.results.evaluation.files.prediction_files import (
    read_prediction_file,
    read_prediction_files,
)

SHARED = Path(__file__).parents[4] / "../shared"


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


def respelt(name, change, blank):
    """The same name in another case, with other blanks between its words and around them."""
    return f"{blank}{change(name).replace('_', ' ').replace(' ', blank)}{blank}"


@given(
    change=st.sampled_from([str.upper, str.lower, str.title, str.swapcase]),
    blank=st.sampled_from(["", " ", "_", "  ", "-"]),
    pattern=st.sampled_from(["*", "prob_*", "P(*)", "* pred"]),
    image=st.sampled_from(IMAGE_COLUMNS),
)
@settings(max_examples=25, deadline=None)
def test_a_name_means_the_same_in_any_case_and_with_any_blanks(
    ours, tmp_path_factory, change, blank, pattern, image
):
    table = named(ours, pattern).rename(columns={"image_index": image})
    table = table.rename(columns={name: respelt(name, change, blank) for name in table})
    path = written(table, tmp_path_factory.mktemp("spelt") / "p.csv")
    found = read_prediction_file(path, affix=respelt(pattern, change, blank))
    pd.testing.assert_frame_equal(found[list(ours)], ours, check_dtype=False, rtol=1e-6)


@pytest.mark.parametrize("spell", [str.upper, str.title, lambda word: f" {word} "])
def test_a_split_is_the_same_in_any_case(ours, tmp_path, spell):
    spelt = ours.assign(Split=ours["split"].map(spell)).drop(columns="split")
    found = read_prediction_file(written(spelt, tmp_path / "p.csv"))
    assert list(found["split"]) == list(ours["split"])


def test_training_rows_are_no_test_rows_however_the_column_is_spelt(ours, tmp_path):
    marked = ours.assign(split=["train", "val", "test", "test"] * (len(ours) // 4))
    path = written(marked.rename(columns={"split": "Split "}), tmp_path / "p.csv")
    systems, read = read_prediction_files([path], None)
    assert systems["p.csv"]["split"].value_counts().to_dict() == {"test": 8, "val": 4}
    assert read == [
        "p.csv: 8 of 16 rows, where 'Split ' is test (val: 4, for calibration; train: 4, not "
        "used); columns * of 14 findings; images by 'image_index'"
    ]


def test_a_split_under_another_name_is_refused_unless_all_is_test(ours, tmp_path):
    hidden = ours.rename(columns={"split": "subset"})
    path = written(hidden.assign(subset="Training"), tmp_path / "p.csv")
    with pytest.raises(ArtifactError, match=r"'subset' holds Training, .*; call it split"):
        read_prediction_file(path)
    assert "split" not in read_prediction_file(written(hidden.assign(subset="Test"), path))


def test_two_columns_of_one_meaning_are_refused(ours, tmp_path):
    for extra in ("Split", "Image Index"):
        path = written(ours.assign(**{extra: "x"}), tmp_path / "p.csv")
        with pytest.raises(ArtifactError, match=f"'{extra}' are both columns of"):
            read_prediction_file(path)


def test_what_was_read_is_told_of_every_file(ours, tmp_path):
    plain = named(ours, "prob_*").drop(columns="split").assign(fold=1)
    test, val = (
        written(plain[ours["split"] == s], tmp_path / f"{s}.csv") for s in ("test", "val")
    )
    read = read_prediction_files([test], val, affix="PROB *").read
    rule = "(it has no column split); columns prob_* of 14 findings; images by 'image_index'"
    assert read == [
        f"test.csv: 8 of 8 rows, all for test {rule}; not read: 'fold'",
        f"val.csv: 8 of 8 rows, all for validation {rule}; not read: 'fold'",
    ]


def test_of_a_validation_file_with_a_split_only_those_rows_are_taken(ours, tmp_path):
    test = written(ours[ours["split"] == "test"].drop(columns="split"), tmp_path / "test.csv")
    marked = ours[ours["split"] == "val"].assign(split=["val", "train"] * 4)
    val = written(marked, tmp_path / "val.csv")
    systems, read = read_prediction_files([test], val)
    assert systems["test.csv"]["split"].value_counts().to_dict() == {"test": 8, "val": 4}
    assert read[1].startswith("val.csv: 4 of 8 rows, where 'split' is val (train: 4, not used)")
    with pytest.raises(ArtifactError, match="none of its images is of the split val"):
        read_prediction_files([test], written(marked.assign(split="train"), val))


def test_columns_that_were_asked_for_and_are_not_there_are_refused(ours, tmp_path):
    truth = written(ours.drop(columns="split"), tmp_path / "p.csv")
    with pytest.raises(ArtifactError, match=r"no columns prob_\*; found \* \(14\)"):
        read_prediction_file(truth, affix="prob_*")
    with pytest.raises(ArtifactError, match=r"--columns prob_: .*one \*"):
        read_prediction_file(truth, affix="prob_")


def test_scores_of_0_and_1_alone_are_called_what_they_probably_are(ours, tmp_path, caplog):
    read_prediction_file(written(ours, tmp_path / "p.csv"))
    assert "labels" not in caplog.text
    read_prediction_file(written(ours.assign(Mass=ours["Mass"].round()), tmp_path / "p.csv"))
    assert "all scores of Mass are 0 or 1: labels or thresholded calls" in caplog.text


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
    with pytest.raises(ArtifactError, match=r"no columns p_\*; found prob_\* \(14\), label_\*"):
        read_prediction_file(path, affix="p_*")


def test_without_a_split_all_images_are_test_and_others_may_be_validation(ours, tmp_path):
    test, val = (
        written(ours[ours["split"] == one].drop(columns="split"), tmp_path / f"{one}.csv")
        for one in ("test", "val")
    )
    found = read_prediction_files([test], val).systems["test.csv"]
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
    systems, read = read_prediction_files(paths, None)
    assert set(systems["p.csv"]["split"]) == {"test", "val"}  # the others' are not calibrated
    assert set(systems[str(tmp_path / "b/p.csv")]["split"]) == {"test"}
    assert list(systems) == ["p.csv", str(tmp_path / "b/p.csv")]
    assert [line.partition(": ")[0] for line in read] == list(systems)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs public real predictions beside the project")
def test_a_public_models_file_is_read_as_it_is():
    path = SHARED / "real-predictions/nih_densenet121_random_split_preds.csv"
    found = read_prediction_file(path)
    assert found.shape == (22_433, 15)
    raw = pd.read_csv(path)
    np.testing.assert_allclose(found["Hernia"], raw["prob_Hernia"], rtol=1e-12)


def test_a_column_of_lists_is_none_of_ours_and_no_fault(ours, tmp_path):
    lists = ours.drop(columns="split").assign(embedding=[np.zeros(3) for _ in range(len(ours))])
    found = read_prediction_file(written(lists, tmp_path / "p.parquet"))
    assert len(found) == len(ours)
