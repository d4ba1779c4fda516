"""A calibration that makes things worse is never passed over in silence."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from loss_numbers import NUMBERS
from made_results import made_index, made_splits
from scipy.special import expit

from pipeline.base.findings import FINDINGS
from pipeline.params.doubts import doubts
from pipeline.params.names import PROPER_LOSSES
from pipeline.params.sections import EvaluateParams
from pipeline.params.whole import load_params
from pipeline.results.evaluation.calibration import expected_calibration_error
from pipeline.results.evaluation.calibration_errors import what_gets_worse
from pipeline.results.evaluation.evaluation import evaluate
from pipeline.results.evaluation.reading import read_out
from pipeline.results.evaluation.scores import labelled
from pipeline.results.terminal.scorecard import scorecard
from pipeline.training.losses import LOSSES, build_loss

REPO = Path(__file__).parents[4]


def params(method):
    return EvaluateParams(
        bootstrap=0, calibration=method, sensitivity=0.9, min_cell=5, min_patients=2
    )


@pytest.fixture(scope="module")
def cohort():
    """Findings of about a tenth of the images, and true logits raised by 2.

    As a loss gives them that weighs positives seven times.
    """
    index = made_index(patients=900)
    rng = np.random.default_rng(0)
    true = 1.5 * rng.normal(size=(len(index), len(FINDINGS))) - 2.2
    labels = rng.random(true.shape) < expit(true)
    index[list(FINDINGS)] = labels
    splits = made_splits(index)
    probs = expit(true + 2).astype("float32")
    table = splits.assign(**dict(zip(FINDINGS, probs.T, strict=True)))
    return index, splits, table[table["split"] != "train"].reset_index(drop=True)


def evaluated(cohort, method):
    index, splits, table = cohort
    return evaluate({"ensemble": table}, index, splits, {}, params(method), subject="ensemble",
                    seed=1)  # fmt: skip


def test_the_errors_of_the_table_are_those_of_the_images_they_are_named_by(cohort):
    index, _, table = cohort
    sets = {split: labelled(table, index, split=split) for split in ("val", "test")}
    counts = np.ones((sets["test"].patients, 0))
    reading = read_out({"a": table}, sets["val"], sets["test"], counts, params("platt"))
    row = reading.calibration.set_index("finding").loc["Mass"]
    for split, name in (("test", "ece"), ("val", "val_ece")):
        for frame, column in ((table, name), (reading.calibrated["a"], f"{name}_calibrated")):
            rows = frame[frame["split"] == split].merge(index, on="image_index")
            expected = expected_calibration_error(
                rows["Mass_x"].to_numpy(), rows["Mass_y"].to_numpy()
            )
            assert row[column] == pytest.approx(expected)


def test_a_temperature_that_makes_validation_worse_is_warned_of(cohort, caplog):
    with caplog.at_level(logging.WARNING):
        evaluation = evaluated(cohort, "temperature")
    entry = evaluation.metrics["ensemble"]
    assert entry["val_ece_calibrated"] > entry["val_ece"]
    figures = f"from {entry['val_ece']:.3f} to {entry['val_ece_calibrated']:.3f}"
    assert "calibration makes ensemble worse" in caplog.text
    assert figures in caplog.text
    assert "evaluate.calibration: platt" in caplog.text
    assert "Calibration makes it worse" in scorecard(evaluation, "ensemble", [])


def test_platt_mends_it_and_nothing_is_said(cohort, caplog):
    with caplog.at_level(logging.WARNING):
        evaluation = evaluated(cohort, "platt")
    entry = evaluation.metrics["ensemble"]
    assert entry["val_ece_calibrated"] < 0.5 * entry["val_ece"]
    assert "worse" not in caplog.text
    assert "makes it worse" not in scorecard(evaluation, "ensemble", [])


def table_of(before, after, *, intercept):
    rows = {"system": "a", "val_ece": before, "val_ece_calibrated": after, "intercept": intercept}
    return pd.DataFrame([rows, rows])


@pytest.mark.parametrize(
    ("after", "intercept", "said"),
    [(0.054, 0.0, None), (0.056, 0.0, "platt corrects both"), (0.056, 0.1, "too few positives"),
     (0.04, 0.0, None), (float("nan"), 0.0, None)],
)  # fmt: skip
def test_what_is_within_noise_is_not_worse_and_advice_is_of_the_method_in_use(
    after, intercept, said
):
    found = what_gets_worse(table_of(0.05, after, intercept=intercept))
    assert list(found) == ([] if said is None else ["a"])
    assert said is None or said in found["a"]


def test_without_validation_images_there_is_no_such_error(cohort, caplog):
    index, splits, table = cohort
    only_test = table[table["split"] == "test"]
    others = splits.assign(split=splits["split"].replace("val", "train"))
    evaluation = evaluate(
        {"ensemble": only_test}, index, others, {}, params("platt"), subject="ensemble", seed=1
    )
    assert evaluation.tables["calibration"]["val_ece"].isna().all()
    assert "val_ece" not in evaluation.metrics["ensemble"]
    assert "makes ensemble worse" not in caplog.text


def with_values(loss, method):
    cfg = load_params(REPO / "params.yaml")
    return cfg.model_copy(
        update={
            "train": cfg.train.model_copy(update={"loss": loss}),
            "evaluate": cfg.evaluate.model_copy(update={"calibration": method}),
        }
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_that_shifts_the_level_and_a_temperature_are_doubted(loss):
    assert doubts(with_values(loss, "platt")) == []
    said = doubts(with_values(loss, "temperature"))
    assert len(said) == (loss not in PROPER_LOSSES)
    assert all(f"train.loss: {loss}" in line and line.endswith("platt") for line in said)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_losses_called_proper_are_those_whose_best_constant_is_the_share_of_positives(loss):
    targets = torch.zeros(100, 14)
    targets[:5] = 1
    best = build_loss(loss, targets, NUMBERS).prior_logits.sigmoid()
    is_share = bool(torch.allclose(best.float(), torch.tensor(0.05), atol=0.005))
    assert is_share == (loss in PROPER_LOSSES)
