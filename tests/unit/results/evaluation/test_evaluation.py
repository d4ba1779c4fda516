"""The table of systems: what is in it, what is left out, and that nothing is NaN."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_results import made_index, made_predictions, made_splits, made_systems

from pipeline.base.findings import FINDINGS
from pipeline.errors import ArtifactError, CohortError
from pipeline.params.sections import EvaluateParams
from pipeline.results.evaluation.evaluation import evaluate
from pipeline.results.evaluation.files.systems import FLOORS
from pipeline.results.statistics.metrics import auroc_of

SHARED = Path(__file__).parents[4] / "../shared"
CEILING = {"auroc": dict.fromkeys(FINDINGS, 0.9), "mean_auroc": 0.9}


@pytest.fixture(scope="module")
def cohort():
    index = made_index()
    splits = made_splits(index)
    return index, splits, made_systems(index, splits)


@pytest.fixture(scope="module")
def two(cohort):
    """With the ensemble and the one that votes alone, for what is said of every system alike."""
    index, splits, systems = cohort
    return index, splits, {name: systems[name] for name in ("model.fusion", "ensemble")}


def run(cohort, *, ceiling=CEILING, replicates=50, seed=7, **other):
    index, splits, systems = cohort
    params = EvaluateParams(
        bootstrap=replicates, calibration="platt", sensitivity=0.9, min_cell=5, min_patients=2
    )
    return evaluate(
        systems,
        index,
        splits,
        ceiling,
        params,
        **{"subject": "ensemble", "voters": ["model.fusion"]} | other,
        seed=seed,
    )


@pytest.fixture(scope="module")
def evaluation(cohort):
    return run(cohort)


def test_every_system_and_baseline_has_its_means_intervals_and_findings(evaluation):
    metrics = evaluation.metrics
    systems = {"model.global", "model.local", "model.fusion", "ensemble"}
    for name in systems | set(FLOORS):
        entry = metrics[name]
        assert entry["mean_auroc_low"] <= entry["mean_auroc"] <= entry["mean_auroc_high"]
        assert list(entry["auroc"]) == list(FINDINGS)
        assert entry["mean_auroc"] == pytest.approx(np.mean(list(entry["auroc"].values())))
        assert 0 <= entry["mean_auprc"] <= 1
        assert 0 <= entry["val_mean_auroc"] <= 1
    assert set(metrics) == systems | set(FLOORS) | {
        "ceiling", "delta", "test", "val", "excluded",
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
    delta = run((index, splits, twins), subject="model.global").metrics["delta"][
        "model.fusion - model.global"
    ]
    assert delta == {"mean_auroc": 0, "low": 0, "high": 0, "p": 1}


def test_the_ensemble_is_compared_with_the_member_that_validation_prefers(two):
    index, splits, systems = two
    frame = systems["model.fusion"]
    test = frame["split"].eq("test").to_numpy()
    weaker_on_val = frame.assign(**{name: frame[name].where(test, 0.5) for name in FINDINGS})
    both = systems | {"second.fusion": weaker_on_val}
    voters = ["model.fusion", "second.fusion"]
    assert "ensemble - model.fusion" in run((index, splits, both), voters=voters).metrics["delta"]


def test_the_ensemble_is_compared_with_who_votes_from_elsewhere_too(two):
    index, splits, systems = two
    both = systems | {"other": made_predictions(index, splits, signal=9.0, seed=8)}
    delta = run((index, splits, both), voters=["model.fusion", "other"]).metrics["delta"]
    assert delta["ensemble - other"]["mean_auroc"] < 0
    assert "ensemble - model.fusion" not in delta


def test_a_system_with_the_name_of_something_else_in_the_metrics_is_refused(cohort):
    index, splits, systems = cohort
    for name in ("shuffled", "test"):
        with pytest.raises(ArtifactError, match=f"may not be called {name}"):
            run((index, splits, systems | {name: systems["ensemble"]}))


def test_a_finding_of_few_patients_has_a_value_and_no_interval(two):
    index, splits, systems = two
    test = index["image_index"].isin(splits.loc[splits["split"] == "test", "image_index"])
    first = index["patient_id"] == index.loc[test & index["Hernia"], "patient_id"].iloc[0]
    rare = index.assign(Hernia=index["Hernia"] & (~test | first))
    scores = run((rare, splits, systems)).tables["scores"].query("split == 'test'")
    hernia, others = (scores[(scores["finding"] == "Hernia") == here] for here in (True, False))
    assert hernia["value"].notna().all()
    assert hernia.filter(regex="low|high").isna().all(axis=None)
    assert others[["low", "high"]].notna().all(axis=None)


def test_a_finding_of_one_class_is_named_and_in_no_mean(two):
    index, splits, systems = two
    test = splits["split"].eq("test")
    missing = index.assign(Hernia=index["Hernia"] & ~test, Edema=index["Edema"] | test)
    evaluation = run((missing, splits, systems))
    metrics = evaluation.metrics
    assert metrics["excluded"] == ["Edema", "Hernia"]
    assert metrics["test"]["findings"] == 12
    assert not {"Edema", "Hernia"} & set(metrics["ensemble"]["auroc"])
    assert not {"Edema", "Hernia"} & set(metrics["ceiling"]["auroc"])
    for table in (*evaluation.plots.values(), *evaluation.tables.values()):
        of_test = table[table["split"].eq("test")] if "split" in table else table
        assert not {"Edema", "Hernia"} & set(of_test.get("finding", []))
    json.dumps(metrics, allow_nan=False)


def test_a_finding_so_rare_that_replicates_miss_it_leaves_no_nan(two):
    index, splits, systems = two
    first = index["image_index"].eq(splits.loc[splits["split"].eq("test"), "image_index"].iloc[0])
    rare = index.assign(Hernia=(index["Hernia"] & splits["split"].ne("test")) | first)
    metrics = run((rare, splits, systems)).metrics
    assert "Hernia" in metrics["ensemble"]["auroc"]
    json.dumps(metrics, allow_nan=False)


def test_the_share_of_the_ceiling_is_over_the_findings_that_have_one(two):
    ceiling = {"auroc": {"Mass": 0.8, "Nodule": 0.7, "Hernia": None}, "mean_auroc": 0.75}
    entry = run(two, ceiling=ceiling).metrics["ensemble"]
    reached = (entry["auroc"]["Mass"] + entry["auroc"]["Nodule"]) / 2
    assert entry["share_of_ceiling"] == pytest.approx((reached - 0.5) / 0.25)


def test_without_a_ceiling_nothing_speaks_of_one(two):
    metrics = run(two, ceiling={}).metrics
    assert "ceiling" not in metrics
    assert "share_of_ceiling" not in metrics["ensemble"]


def test_without_replicates_there_are_no_intervals(two):
    metrics = run(two, replicates=0).metrics
    assert not {"mean_auroc_low", "mean_auroc_high"} & set(metrics["ensemble"])
    assert all(set(one) == {"mean_auroc"} for one in metrics["delta"].values())
    json.dumps(metrics, allow_nan=False)


def test_without_validation_images_the_rest_is_still_there(two):
    index, splits, systems = two
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


def test_the_plots_are_of_the_system_looked_at_and_short(evaluation):
    plots = evaluation.plots
    assert set(plots["auroc"]["system"]) == {"ensemble", *FLOORS}
    for name in ("roc", "pr"):
        assert 3 <= plots[name].groupby("finding").size().max() <= 60
    assert set(plots["reliability"]["stage"]) == {"raw", "calibrated"}
    assert not any(plot.isna().any(axis=None) for plot in plots.values())


def test_the_tables_hold_what_the_digest_shows(evaluation):
    scores, metrics = evaluation.tables["scores"], evaluation.metrics
    for name in ("model.fusion", "metadata_only"):
        table = scores[scores["system"].eq(name) & scores["split"].eq("test")]
        for measure in ("auroc", "auprc"):
            rows = table[table["measure"].eq(measure)].set_index("finding")
            assert rows["value"].drop("mean").to_dict() == metrics[name][measure]
            mean = rows.loc["mean"]
            assert mean["low"] == metrics[name][f"mean_{measure}_low"]
            assert mean["bca_low"] < mean["value"] < mean["bca_high"]
    finding = scores.query("finding == 'Mass' and split == 'test' and measure == 'auroc'")
    assert (finding["delong_low"] < finding["delong_high"])[
        finding["system"] != "prevalence"
    ].all()
    assert (finding["positives"] < finding["images"]).all()


def test_the_order_of_findings_changes_no_named_metric(cohort, evaluation):
    index, splits, systems = cohort
    backwards = {name: frame[frame.columns[::-1]] for name, frame in systems.items()}
    columns = [*index.columns[:10], *reversed(FINDINGS)]
    again = run((index[columns], splits, backwards))
    assert again.metrics == evaluation.metrics
    for name, table in evaluation.tables.items():
        pd.testing.assert_frame_equal(again.tables[name], table)


def test_calibrated_predictions_keep_each_splits_order(cohort, evaluation):
    frame, calibrated = cohort[2]["ensemble"], evaluation.calibrated["ensemble"]
    assert list(calibrated["image_index"]) == list(frame["image_index"])
    for finding in FINDINGS:
        order = np.argsort(frame[finding].to_numpy(), kind="stable")
        assert (np.diff(calibrated[finding].to_numpy()[order]) >= 0).all()


def test_predictions_of_other_images_stand_at_chance(evaluation):
    entry = evaluation.metrics["shuffled"]
    assert entry["mean_auroc"] == pytest.approx(0.5, abs=0.08)


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
