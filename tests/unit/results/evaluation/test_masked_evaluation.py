"""Labels that nobody knows have no part in an evaluation: it is that of the images known."""

import numpy as np
import pandas as pd
import pytest
from made_results import made_index, made_splits, made_systems
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.base.findings import FINDINGS, NO_FINDING
from pipeline.errors import CohortError
from pipeline.fusion.metadata import METADATA, fit_metadata
from pipeline.params.sections import EvaluateParams
from pipeline.results.evaluation.baselines import metadata_only, prevalence
from pipeline.results.evaluation.cooccurrence import cooccurrence
from pipeline.results.evaluation.evaluation import evaluate
from pipeline.results.evaluation.scores import labelled
from pipeline.results.report.evaluation_part import evaluation_part

PARAMS = EvaluateParams(
    bootstrap=40, calibration="platt", sensitivity=0.9, min_cell=5, min_patients=2
)
PARTLY = FINDINGS[:6]
"""Unknown of one of a patient's three images, here and there."""
NEVER = "Hernia"
POSITIVE_ALONE = "Fibrosis"
"""Of which only positives are known."""


@pytest.fixture(scope="module")
def whole():
    index = made_index(patients=90, images_each=3)
    splits = made_splits(index)
    return index, splits, made_systems(index, splits)


@pytest.fixture(scope="module")
def masked(whole):
    index = whole[0].copy()
    rng = np.random.default_rng(3)
    for finding in PARTLY:
        hidden = (np.arange(len(index)) % 3 == rng.integers(3)) & (rng.random(len(index)) < 0.7)
        index[finding] = index[finding].astype("boolean").mask(hidden)
    index[NEVER] = pd.array([None] * len(index), dtype="boolean")
    positive = index[POSITIVE_ALONE]
    index[POSITIVE_ALONE] = positive.astype("boolean").mask(~positive)
    return index


def run(index, splits, systems):
    return evaluate(
        systems, index, splits, {}, PARAMS, subject="ensemble", voters=["model.fusion"], seed=7
    )


@pytest.fixture(scope="module")
def found(whole, masked):
    return run(masked, *whole[1:])


def known_test_rows(index, frame, finding):
    rows = frame[frame["split"] == "test"].merge(index[["image_index", finding]], on="image_index")
    return rows[rows[f"{finding}_y"].notna()]


@pytest.mark.parametrize("finding", [*PARTLY, "Edema"])
def test_auroc_and_ap_are_scikit_learns_on_the_known_rows(whole, masked, found, finding):
    for name, frame in whole[2].items():
        rows = known_test_rows(masked, frame, finding)
        truth, probs = rows[f"{finding}_y"].astype(int), rows[f"{finding}_x"]
        entry = found.metrics[name]
        assert entry["auroc"][finding] == pytest.approx(roc_auc_score(truth, probs), abs=1e-9)
        expected = average_precision_score(truth, probs)
        assert entry["auprc"][finding] == pytest.approx(expected, abs=1e-9)


def of(table, finding):
    return table[table["finding"] == finding].reset_index(drop=True)


@pytest.fixture(scope="module", params=PARTLY)
def on_its_own(request, whole, masked):
    """A finding, and the evaluation of the cohort that lacks the images of which it is unknown.

    Each patient has another image, so that replicates of the bootstrap are the same patients.
    """
    finding = request.param
    index, splits, systems = whole
    there = set(index.loc[masked[finding].notna(), "image_index"])

    def kept(frame):
        return frame[frame["image_index"].isin(there)].reset_index(drop=True)

    assert len(there) < len(index)
    assert kept(index)["patient_id"].nunique() == index["patient_id"].nunique()
    frames = {name: kept(frame) for name, frame in systems.items()}
    return finding, run(kept(index), kept(splits), frames)


@pytest.mark.parametrize("table", ["scores", "comparisons", "calibration", "thresholds"])
def test_all_that_is_said_of_a_finding_is_that_of_the_cohort_without_the_others(
    found, on_its_own, table
):
    finding, expected = on_its_own
    one, other = (of(those.tables[table], finding) for those in (found, expected))
    if "system" in one:  # floors: the shuffled one draws from other images
        one, other = (those[those["system"] != "shuffled"] for those in (one, other))
    assert len(one)
    pd.testing.assert_frame_equal(one, other, rtol=1e-6)


def test_so_is_what_is_said_of_it_in_groups(found, on_its_own):
    finding, expected = on_its_own
    singles = ("gender", "age", "view")
    one, other = (of(those.tables["subgroups"], finding) for those in (found, expected))
    for grouping in singles:
        first, second = (
            those[those["grouping"] == grouping].set_index("group") for those in (one, other)
        )
        for column in ("images", "patients", "positives", "positive_patients"):
            assert first[column].to_dict() == second[column].to_dict()
        shown = first["auroc"].notna() & second["auroc"].notna()
        assert first.loc[shown, "auroc"].to_list() == pytest.approx(
            second.loc[shown, "auroc"].to_list()
        )


def test_plots_are_of_the_known_images(found, on_its_own):
    finding, expected = on_its_own
    for name in ("roc", "pr", "reliability"):
        one, other = (of(those.plots[name], finding) for those in (found, expected))
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize("finding", [NEVER, POSITIVE_ALONE])
def test_a_finding_without_known_labels_of_both_classes_has_no_figure(found, finding, caplog):
    assert finding in found.metrics["excluded"]
    for name in ("scores", "thresholds", "subgroups", "gaps", "calibration"):
        assert of(found.tables[name], finding).empty
    for entry in found.metrics.values():
        if isinstance(entry, dict) and "auroc" in entry:
            assert finding not in entry["auroc"]


def test_an_excluded_finding_is_named_in_the_log(whole, masked, caplog):
    run(masked, *whole[1:])
    said = (
        "2 of 14 findings are not predicted, or lack known labels of both classes among the test"
    )
    assert said in caplog.text


def test_no_label_at_all_is_refused(whole, masked):
    nothing = masked.assign(
        **{name: pd.array([None] * len(masked), dtype="boolean") for name in FINDINGS}
    )
    with pytest.raises(CohortError, match="no finding has positives and negatives"):
        run(nothing, *whole[1:])


def test_floors_are_fitted_on_known_labels(whole, masked):
    index, splits, _ = whole
    for finding in PARTLY:
        train = splits["split"].eq("train") & masked[finding].notna()
        said = prevalence(masked, splits)[finding].unique()
        assert said == pytest.approx([index.loc[train, finding].mean()])
    assert (prevalence(masked, splits)[NEVER] == 0.5).all()


def test_the_metadata_floor_of_a_finding_is_fitted_on_the_images_that_are_known(whole, masked):
    index, splits, _ = whole
    finding = PARTLY[0]
    used = (splits["split"].ne("train") | masked[finding].notna()).to_numpy()
    years = index["age_years"].where(used, index.loc[used, "age_years"].mean())
    there = metadata_only(index[used].reset_index(drop=True), splits[used].reset_index(drop=True))
    one = metadata_only(masked.assign(age_years=years), splits)[finding]
    assert one.to_list() == pytest.approx(there[finding].to_list(), abs=0.02)


def test_what_is_called_together_is_counted_where_both_are_known(whole, masked):
    _, _, systems = whole
    frame = systems["ensemble"]
    images = labelled(frame, masked, split="test")
    said = images.said(frame)
    calls = {finding: said[finding] >= 0.5 for finding in images.targets}
    table = cooccurrence(calls, images).set_index(["actual", "called"])
    rows = masked.set_index("image_index").loc[images.image_index]
    one, other = PARTLY[:2]
    here = (rows[one].fillna(False) & rows[other].notna()).to_numpy(bool)
    row = table.loc[one, other]
    assert row["images"] == here.sum()
    assert row["share"] == pytest.approx(calls[other][here].mean())
    assert row["labelled"] == pytest.approx(rows[other][here].astype(float).mean())
    none = [
        all(rows[name].iloc[at] is not pd.NA and not rows[name].iloc[at] for name in calls)
        for at in range(len(rows))
    ]
    assert table["images"].get((NO_FINDING, one), 0) == sum(none)


def test_the_page_is_drawn(whole, masked, found):
    part = evaluation_part(
        found.tables, found.metrics, predictions=whole[2]["ensemble"], index=masked,
        member="model", best="ensemble",
    )  # fmt: skip
    assert NEVER not in {row.finding for row in part.findings}
    assert "12 of the 14 findings" in part.literature.why_not
    assert set(part.charts) == {"roc", "pr", "reliability", "cooccurrence"}


def test_images_without_gender_or_view_are_a_group_of_their_own(whole):
    index, splits, systems = whole
    lacking = index.assign(
        gender=index["gender"].mask(index["patient_id"] % 4 == 0),
        view_position=index["view_position"].where(index["patient_id"] < 0),
        age_years=np.nan,
    )
    tables = run(lacking, splits, systems).tables
    groups = tables["subgroups"].groupby("grouping")["group"].unique()
    assert list(groups["gender"]) == ["M", "F", "unknown"]
    assert list(groups["view"]) == list(groups["age"]) == ["unknown"]
    gaps = of(tables["gaps"], "mean").set_index("grouping")
    assert not gaps.loc["gender", "chosen"]
    assert gaps.loc["gender", "group"] == "M"
    assert gaps.loc["gender", "other"] == "F"


def test_what_no_training_image_has_is_no_feature(whole, caplog):
    index = whole[0].assign(age_years=np.nan, view_position=None)
    encoder = fit_metadata(index, METADATA)
    assert encoder.features == ("gender",)
    assert "left out: age, view" in caplog.text
    assert encoder.encode(index).shape == (len(index), 1)
    nothing = index.assign(gender=None)
    assert fit_metadata(nothing, METADATA).encode(nothing).shape == (len(index), 0)
    floor = metadata_only(nothing, whole[1])
    assert (floor[list(FINDINGS)].nunique() == 1).all()
