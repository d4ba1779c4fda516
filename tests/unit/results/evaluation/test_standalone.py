"""Anybody's predictions through the same evaluation, and the text that says what came out."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_results import made_index, made_predictions, made_splits

from pipeline.base.findings import FINDINGS
from pipeline.cohort.reading.cohort_source import read_text_file
from pipeline.cohort.reading.nih import parse_entries
from pipeline.errors import ArtifactError
from pipeline.params.sections import EvaluateParams
from pipeline.results.evaluation.evaluation import evaluate
from pipeline.results.evaluation.files.prediction_files import read_prediction_files
from pipeline.results.evaluation.standalone import evaluate_given, only_test
from pipeline.results.statistics.metrics import auroc_of
from pipeline.results.terminal.scorecard import scorecard

SHARED = Path(__file__).parents[4] / "../shared"
PARAMS = EvaluateParams(
    bootstrap=60, calibration="platt", sensitivity=0.9, min_cell=5, min_patients=2
)


@pytest.fixture(scope="module")
def cohort():
    index = made_index(patients=90)
    splits = made_splits(index)
    return index, splits, made_predictions(index, splits, signal=2.0)


@pytest.fixture(scope="module")
def few(cohort):
    """Predictions of two findings, for what is said of every finding alike."""
    return cohort[2][["image_index", "split", "Mass", "Edema"]]


@pytest.fixture(scope="module")
def evaluation(cohort):
    index, _, frame = cohort
    return run({"a": frame}, index)


def run(systems, index, params=PARAMS):
    return evaluate_given(systems, index, params, seed=7)


def text_of(evaluation, frame, name="a"):
    return scorecard(evaluation, name, only_test(frame)["image_index"])


def test_it_is_the_evaluation_of_the_pipeline(cohort, evaluation):
    index, splits, frame = cohort
    mine = evaluation.metrics
    whole = evaluate({"a": frame}, index, splits, {}, PARAMS, subject="a", seed=7).metrics
    assert mine["a"] == whole["a"]
    assert mine["metadata_only"] == whole["metadata_only"]


def test_each_floor_is_explained_and_one_that_cannot_be_fitted_is_missed(cohort, few, evaluation):
    whole = text_of(evaluation, cohort[2])
    for said in ("metadata_only: age, gender", "shuffled: these pred", "prevalence: one number"):
        assert said in whole
    assert "No metadata_only" not in whole
    index, test = cohort[0], only_test(few)
    predicted = index[index["image_index"].isin(test["image_index"])]
    alone = text_of(run({"a": test}, predicted), test)
    assert "No metadata_only and no prevalence: all patients of the labels are predicted" in alone
    assert "metadata_only: age" not in alone
    assert "shuffled: these pred" in alone


def test_the_floor_is_fitted_on_patients_who_are_in_no_predictions(cohort, few):
    """It is the same whatever the evaluated patients' labels are, and another one for others'."""
    index = cohort[0]
    test = only_test(few)
    owners = index.set_index("image_index")["patient_id"].loc[test["image_index"]]
    mine = index["patient_id"].isin(owners)

    def floor(labels):
        evaluation = run({"a": test}, index.assign(Mass=labels))
        targets = labels[index["image_index"].isin(test["image_index"])]
        auroc = evaluation.metrics["metadata_only"]["auroc"]["Mass"]
        return auroc if targets.equals(index["Mass"][targets.index]) else 1 - auroc

    as_it_is = floor(index["Mass"])
    assert floor(index["Mass"] ^ mine) == pytest.approx(as_it_is, abs=1e-12)
    assert floor(index["Mass"] & (mine | (index["gender"] == "M"))) != as_it_is


def test_a_paired_difference_from_another_file_needs_no_validation_images_of_it(cohort):
    index, splits, frame = cohort
    weaker = only_test(made_predictions(index, splits, signal=0.5, seed=5))
    evaluation = run({"a": frame, "b": weaker}, index)
    delta = evaluation.metrics["delta"]["a - b"]
    aurocs = [
        np.mean(
            [
                auroc_of(rows[f"{finding}_y"].to_numpy(bool), rows[f"{finding}_x"].to_numpy())
                for finding in FINDINGS
            ]
        )
        for one in (only_test(frame), weaker)
        for rows in [one.merge(index[["image_index", *FINDINGS]], on="image_index")]
    ]
    assert delta["mean_auroc"] == pytest.approx(aurocs[0] - aurocs[1], abs=1e-12)
    assert delta["low"] > 0
    assert delta["p"] < 0.05
    assert {"a", "b", "metadata_only"} <= set(evaluation.tables["scores"]["system"])
    text = text_of(evaluation, frame)
    assert f"{delta['mean_auroc']:+.4f}" in text


def test_the_text_holds_the_tables_numbers(cohort, evaluation):
    frame = cohort[2]
    text = text_of(evaluation, frame)
    scores = evaluation.tables["scores"]
    mass = scores.query(
        "system == 'a' and split == 'test' and finding == 'Mass' and measure == 'auroc'"
    ).iloc[0]
    line = next(line for line in text.splitlines() if line.startswith("Mass"))
    assert f"{mass['value']:.3f}  {mass['low']:.3f} to {mass['high']:.3f}" in line
    mean = next(line for line in text.splitlines() if line.startswith("mean of 14"))
    assert f" {evaluation.metrics['a']['mean_auroc']:.4f}  " in mean
    for part in ("metadata_only", "shuffled", "threshold by youden", "gender, age and view"):
        assert part in text
    assert "not the official test list" in text
    assert "nan" not in text.lower().replace("finding", "")


def test_without_validation_images_or_replicates_the_text_says_so(cohort):
    index, _, frame = cohort
    test = only_test(frame)
    text = text_of(run({"a": test}, index, PARAMS.model_copy(update={"bootstrap": 0})), test)
    assert "No validation images" in text
    assert "threshold by" not in text
    assert not re.search(r"\bnan\b", text)


def test_fewer_findings_make_a_mean_of_fewer(cohort, few):
    evaluation = run({"a": few}, cohort[0])
    assert list(evaluation.metrics["a"]["auroc"]) == ["Mass", "Edema"]
    assert list(evaluation.metrics["metadata_only"]["auroc"]) == ["Mass", "Edema"]
    assert "mean of 2" in text_of(evaluation, few)
    assert "Hernia" in text_of(evaluation, few).partition("In no mean")[2]


def test_predictions_of_everybody_leave_no_floor_but_the_shuffled(cohort, few):
    index = cohort[0]
    test = only_test(few)
    only = index[index["image_index"].isin(test["image_index"])].reset_index(drop=True)
    metrics = run({"a": test}, only).metrics
    assert "shuffled" in metrics
    assert "metadata_only" not in metrics


def test_patients_on_both_sides_are_warned_of(cohort, few, caplog):
    mixed = few.assign(split=np.where(few.index % 2, "val", "test"))
    run({"a": mixed}, cohort[0])
    assert "patients have test and validation images" in caplog.text


def test_an_image_without_a_label_is_named(cohort):
    index, _, frame = cohort
    strange = frame.assign(image_index=["x.png", *frame["image_index"][1:]])
    with pytest.raises(
        ArtifactError, match=r"a: 1 of 120 images .* first: x.png, where .*0_000.png"
    ):
        run({"a": strange}, index)


def test_the_labels_themselves_are_refused_as_scores(cohort, few):
    index = cohort[0]
    findings = ["Mass", "Edema"]
    truth = index.set_index("image_index").loc[few["image_index"], findings]
    labels = few.assign(**{f: truth[f].to_numpy(float) for f in findings})
    with pytest.raises(ArtifactError, match="a: its scores are the labels themselves"):
        run({"a": labels}, index)
    with pytest.raises(ArtifactError, match="b: its scores are the labels themselves"):
        run({"a": few, "b": labels}, index)
    one_wrong = labels.assign(Mass=1 - labels["Mass"])
    assert run({"a": one_wrong}, index).metrics["a"]["auroc"]["Mass"] == 0


def test_predictions_of_other_images_are_not_compared(cohort, few):
    index, frame = cohort[0], few
    with pytest.raises(ArtifactError, match=r"a predicts 60 images and b 59"):
        run({"a": frame, "b": only_test(frame).iloc[1:]}, index)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs public real predictions beside the project")
def test_a_public_models_real_predictions_have_their_known_aurocs():
    systems, _ = read_prediction_files(
        [SHARED / "real-predictions/nih_densenet121_random_split_preds.csv"], None
    )
    labels = read_text_file(SHARED / "nih-sample/Data_Entry_2017_v2020.csv")
    evaluation = run(systems, parse_entries(labels).table)
    entry = evaluation.metrics[next(iter(systems))]
    assert entry["mean_auroc"] == pytest.approx(0.8383, abs=5e-5)
    known = {"Cardiomegaly": 0.909, "Emphysema": 0.932, "Hernia": 0.918, "Infiltration": 0.716}
    assert {f: round(entry["auroc"][f], 3) for f in known} == known
    assert entry["mean_auroc_low"] < 0.8383 < entry["mean_auroc_high"]
    assert isinstance(evaluation.tables["subgroups"], pd.DataFrame)
