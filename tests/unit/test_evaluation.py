"""The table of systems: what is in it, what is left out, and that nothing is NaN."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_results import made_index, made_splits, made_systems

from pipeline.errors import ArtifactError, CohortError
from pipeline.findings import FINDINGS
from pipeline.results.evaluation import evaluate
from pipeline.results.metrics import auroc_of

SHARED = Path(__file__).parents[2] / "../shared"
CEILING = {"auroc": dict.fromkeys(FINDINGS, 0.9), "mean_auroc": 0.9}


@pytest.fixture(scope="module")
def cohort():
    index = made_index()
    splits = made_splits(index)
    return index, splits, made_systems(index, splits)


def run(cohort, *, ceiling=CEILING, replicates=50, seed=7):
    index, splits, systems = cohort
    return evaluate(systems, index, splits, ceiling, replicates=replicates, seed=seed)


@pytest.fixture(scope="module")
def evaluation(cohort):
    return run(cohort)


def test_every_system_and_baseline_has_its_means_intervals_and_findings(evaluation):
    metrics = evaluation.metrics
    systems = {"model.global", "model.local", "model.fusion", "ensemble"}
    for name in systems | {"metadata_only", "prevalence"}:
        entry = metrics[name]
        assert entry["mean_auroc_low"] <= entry["mean_auroc"] <= entry["mean_auroc_high"]
        assert list(entry["auroc"]) == list(FINDINGS)
        assert entry["mean_auroc"] == pytest.approx(np.mean(list(entry["auroc"].values())))
        assert 0 <= entry["mean_auprc"] <= 1
        assert 0 <= entry["val_mean_auroc"] <= 1
    assert set(metrics) == systems | {
        "metadata_only", "prevalence", "ceiling", "delta", "test", "excluded",
    }  # fmt: skip
    json.dumps(metrics, allow_nan=False)


def test_an_auroc_is_that_of_the_test_images(cohort, evaluation):
    index, _, systems = cohort
    frame = systems["model.fusion"].merge(index[["image_index", "Mass"]], on="image_index")
    test = frame[frame["split"] == "test"]
    expected = auroc_of(test["Mass_y"].to_numpy(), test["Mass_x"].to_numpy())
    assert evaluation.metrics["model.fusion"]["auroc"]["Mass"] == expected


def test_prevalence_stands_at_chance_and_its_precision_at_the_test_prevalence(cohort, evaluation):
    index, splits, _ = cohort
    entry = evaluation.metrics["prevalence"]
    test = index[splits["split"].eq("test")]
    assert set(entry["auroc"].values()) == {0.5}
    assert entry["mean_auprc"] == pytest.approx(test[list(FINDINGS)].mean().mean())
    assert entry["share_of_ceiling"] == 0


def test_differences_are_paired_and_within_members(evaluation):
    metrics = evaluation.metrics
    delta = metrics["delta"]
    assert set(delta) == {
        "model.local - model.global", "model.fusion - model.global", "ensemble - model.fusion",
    }  # fmt: skip
    fusion = delta["model.fusion - model.global"]
    expected = metrics["model.fusion"]["mean_auroc"] - metrics["model.global"]["mean_auroc"]
    assert fusion["mean_auroc"] == pytest.approx(expected)
    assert fusion["low"] < expected < fusion["high"]


def test_a_system_does_not_differ_from_itself(cohort):
    index, splits, systems = cohort
    twins = dict.fromkeys(("model.global", "model.fusion"), systems["model.global"])
    delta = run((index, splits, twins)).metrics["delta"]["model.fusion - model.global"]
    assert set(delta.values()) == {0}


def test_the_ensemble_is_compared_with_the_member_that_validation_prefers(cohort):
    index, splits, systems = cohort
    frame = systems["model.fusion"]
    test = frame["split"].eq("test").to_numpy()
    weaker_on_val = frame.assign(**{name: frame[name].where(test, 0.5) for name in FINDINGS})
    both = systems | {"second.fusion": weaker_on_val}
    assert "ensemble - model.fusion" in run((index, splits, both)).metrics["delta"]


def test_a_finding_of_one_class_is_named_and_in_no_mean(cohort):
    index, splits, systems = cohort
    test = splits["split"].eq("test")
    missing = index.assign(Hernia=index["Hernia"] & ~test, Edema=index["Edema"] | test)
    evaluation = run((missing, splits, systems))
    metrics = evaluation.metrics
    assert metrics["excluded"] == ["Edema", "Hernia"]
    assert metrics["test"]["findings"] == 12
    assert not {"Edema", "Hernia"} & set(metrics["ensemble"]["auroc"])
    assert not {"Edema", "Hernia"} & set(metrics["ceiling"]["auroc"])
    assert not {"Edema", "Hernia"} & set(evaluation.roc["finding"])
    json.dumps(metrics, allow_nan=False)


def test_a_finding_so_rare_that_replicates_miss_it_leaves_no_nan(cohort):
    index, splits, systems = cohort
    first = index["image_index"].eq(splits.loc[splits["split"].eq("test"), "image_index"].iloc[0])
    rare = index.assign(Hernia=(index["Hernia"] & splits["split"].ne("test")) | first)
    metrics = run((rare, splits, systems)).metrics
    assert "Hernia" in metrics["ensemble"]["auroc"]
    json.dumps(metrics, allow_nan=False)


def test_the_share_of_the_ceiling_is_over_the_findings_that_have_one(cohort):
    ceiling = {"auroc": {"Mass": 0.8, "Nodule": 0.7, "Hernia": None}, "mean_auroc": 0.75}
    entry = run(cohort, ceiling=ceiling).metrics["ensemble"]
    reached = (entry["auroc"]["Mass"] + entry["auroc"]["Nodule"]) / 2
    assert entry["share_of_ceiling"] == pytest.approx((reached - 0.5) / 0.25)


def test_without_a_ceiling_nothing_speaks_of_one(cohort):
    metrics = run(cohort, ceiling={}).metrics
    assert "ceiling" not in metrics
    assert "share_of_ceiling" not in metrics["ensemble"]


def test_without_replicates_there_are_no_intervals(cohort):
    metrics = run(cohort, replicates=0).metrics
    assert not {"mean_auroc_low", "mean_auroc_high"} & set(metrics["ensemble"])
    assert all(set(one) == {"mean_auroc"} for one in metrics["delta"].values())


def test_without_validation_images_the_rest_is_still_there(cohort):
    index, splits, systems = cohort
    no_val = splits.assign(split=splits["split"].replace("val", "train"))
    only_test = {name: table[table["split"] == "test"] for name, table in systems.items()}
    metrics = run((index, no_val, only_test)).metrics
    assert "val_mean_auroc" not in metrics["ensemble"]
    assert "ensemble - model.fusion" not in metrics["delta"]


def test_predictions_of_another_split_are_refused(cohort):
    index, splits, systems = cohort
    train = splits["split"].eq("train")
    moved = splits.assign(split=splits["split"].mask(train & (splits.index > 60), "val"))
    with pytest.raises(ArtifactError, match="metadata_only"):
        run((index, moved, systems))


def test_a_test_set_without_any_finding_of_both_classes_is_refused(cohort):
    index, splits, systems = cohort
    healthy = index.assign(**dict.fromkeys(FINDINGS, False))
    with pytest.raises(CohortError, match="no finding"):
        run((healthy, splits, systems))


def test_the_plots_hold_every_system_and_short_curves(evaluation):
    assert set(evaluation.per_finding["system"]) > {"ensemble", "metadata_only", "ceiling"}
    assert evaluation.roc.groupby(["system", "finding"]).size().max() <= 60


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs public real predictions beside the project")
def test_a_public_models_real_predictions_have_its_known_auroc():
    probs = pd.read_csv(SHARED / "real-predictions/nih_densenet121_random_split_preds.csv")
    csv = pd.read_csv(SHARED / "nih-sample/Data_Entry_2017_v2020.csv")
    labels = csv["Finding Labels"].str.get_dummies()[list(FINDINGS)].astype(bool)
    truth = labels.set_index(csv["Image Index"]).loc[probs["Image Index"]]
    aurocs = {f: auroc_of(truth[f].to_numpy(), probs[f"prob_{f}"].to_numpy()) for f in FINDINGS}
    assert np.mean(list(aurocs.values())) == pytest.approx(0.8383, abs=5e-5)
    assert aurocs["Cardiomegaly"] == pytest.approx(0.909, abs=5e-4)
    assert aurocs["Infiltration"] == pytest.approx(0.716, abs=5e-4)
