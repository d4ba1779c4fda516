"""Cohorts in the tables of CheXpert, PadChest, VinDr-CXR and RSNA go through the stages."""

import json

import numpy as np
import pytest
import yaml
from made_public_cohorts import COHORTS, write_public_cohort
from ran_ingest import params_of, run_ingest

from pipeline.base.findings import FINDINGS
from pipeline.base.shards import Shards
from pipeline.base.tables import known, read_index, read_predictions, read_splits, targets_of
from pipeline.params.whole import load_params
from pipeline.results.evaluation.evaluation import evaluate
from pipeline.training.branches import global_task
from pipeline.training.prediction_tables import predict_table
from stages import split
from tests.stages.conftest import commit, merge, run

SMALL = "timm:test_efficientnet"


def each_layout():
    """One in every run of the tests, the others in the long ones."""
    return [
        pytest.param(name, marks=[] if name == "chexpert" else pytest.mark.slow)
        for name in COHORTS
    ]


@pytest.fixture(scope="module", params=each_layout())
def ingested(request, tmp_path_factory):
    """The name of a layout, and where its cohort's cache and splits are."""
    folder = tmp_path_factory.mktemp(request.param)
    source = write_public_cohort(folder / "cohort", request.param)
    cache = run_ingest(source, folder / "cache", columns=request.param)
    split.main(
        index=cache / "index.parquet", lists=cache / "lists.parquet",
        out=cache / "splits.parquet", counts=cache / "split.json", params=params_of(cache),
    )  # fmt: skip
    return request.param, cache


def test_what_a_table_names_is_known_and_nothing_else(ingested):
    name, cache = ingested
    index = read_index(cache / "index.parquet")
    assert len(index) == 150
    there = {finding for finding in FINDINGS if known(index, finding).any()}
    assert there == set(COHORTS[name].names)
    counts = json.loads((cache / "split.json").read_text())
    assert counts["train"]["unknown"]["Emphysema"] == counts["train"]["images"]


def test_a_branch_learns_it_and_is_judged_on_what_is_known(ingested):
    name, cache = ingested
    cfg = load_params(params_of(cache))
    index, splits = read_index(cache / "index.parquet"), read_splits(cache / "splits.parquet")
    task = global_task(
        SMALL, "none", cfg.train, cfg.global_.model_copy(update={"epochs": 2}),
        images=Shards(cache / "images"), index=index, splits=splits, seed=0,
    )  # fmt: skip
    epochs = list(task.fit())
    assert all(np.isfinite([one.train_loss, one.val_loss, one.val_auroc]).all() for one in epochs)
    frame = predict_table(task.branch, task.examples)
    found = evaluate(
        {"ensemble": frame}, index, splits, {}, cfg.evaluate, subject="ensemble", seed=0
    )
    lacking = [finding for finding in FINDINGS if finding not in COHORTS[name].names]
    assert set(lacking) <= set(found.metrics["excluded"])
    assert set(found.metrics["ensemble"]["auroc"]) <= set(COHORTS[name].names)
    assert np.isfinite(found.metrics["ensemble"]["mean_auroc"])


def test_training_on_it_is_training_without_what_is_unknown(ingested):
    """Each label of the examples is the index's, and NaN where that is unknown."""
    _, cache = ingested
    cfg = load_params(params_of(cache))
    index, splits = read_index(cache / "index.parquet"), read_splits(cache / "splits.parquet")
    examples = global_task(
        SMALL, "none", cfg.train, cfg.global_, images=Shards(cache / "images"), index=index,
        splits=splits, seed=0,
    ).examples  # fmt: skip
    rows = index.set_index("image_index").loc[examples["train"].image_index].reset_index()
    np.testing.assert_array_equal(examples["train"].targets.numpy(), targets_of(rows))


@pytest.mark.slow
@pytest.mark.xdist_group("pipeline")
@pytest.mark.parametrize("name", ["chexpert", "rsna"])
def test_the_whole_graph_runs_on_it(make_clone, name):
    folder = make_clone()
    write_public_cohort(folder / "data/public", name)
    values = yaml.safe_load((folder / "params.yaml").read_text())
    changes = {"ingest": {"source": "data/public", "columns": name}, "iou": {"bootstrap": 0}}
    (folder / "params.yaml").write_text(yaml.safe_dump(merge(values, changes), sort_keys=False))
    commit(folder)
    run("dvc", "repro", "report", "package", cwd=folder)
    systems = json.loads((folder / "metrics/systems.json").read_text())
    assert set(systems["ensemble"]["auroc"]) <= set(COHORTS[name].names)
    page = (folder / "report/index.html").read_text()
    assert "findings lack known labels of both classes" in page
    model = json.loads((folder / "data/models/model.json").read_text())
    assert model["calls"]["Emphysema"] == {"slope": 1.0, "intercept": 0.0, "thresholds": {}}
    votes = read_predictions(folder / "data/ensemble.parquet")
    assert votes[list(FINDINGS)].notna().all().all()
