"""A model on a cohort that it has nothing of: `cxr external`, and what it says is right."""

import json

import numpy as np
import pandas as pd
import pytest
from made_public_cohorts import COHORTS, write_public_cohort
from made_results import made_index, made_predictions
from page_parts import words_of
from scipy.stats import norm
from typer.testing import CliRunner

from benchmarks.other_cohort import UNKNOWN, write_other
from pipeline.base.findings import FINDINGS
from pipeline.base.tables import known, positive, read_predictions
from pipeline.commands.cli import command_line
from pipeline.external.external_predictions import Said
from pipeline.external.transfer import COLUMNS, difference, judge_transfer
from pipeline.external.transfer_words import transfer_verdict
from pipeline.params.sections import EvaluateParams
from pipeline.results.evaluation.scores import MEAN

pytestmark = pytest.mark.xdist_group("predict")

JUDGING = EvaluateParams(
    bootstrap=200, calibration="platt", sensitivity=0.9, min_cell=10, min_patients=5
)


# Differences of independent values


def wilson(hits, of):
    z = norm.ppf(0.975)
    share = hits / of
    centre = (share + z**2 / (2 * of)) / (1 + z**2 / of)
    half = z / (1 + z**2 / of) * np.sqrt(share * (1 - share) / of + (z / (2 * of)) ** 2)
    return share, centre - half, centre + half


def test_a_difference_has_the_interval_of_the_literature():
    """56 of 70 less 48 of 80: Newcombe, Statistics in Medicine 1998, Table II, method 10."""
    found = difference(wilson(56, 70), wilson(48, 80))
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_a_difference_from_a_value_without_an_interval_has_none():
    assert difference((0.8, None, None), (0.7, 0.6, 0.8)) == (pytest.approx(0.1), None, None)
    assert difference((0.8, 0.7, 0.9), (0.7, np.nan, np.nan)) == (pytest.approx(0.1), None, None)


# Figures, by brute force

INDEX = made_index(300, 2)
SPLITS = INDEX[["image_index"]].assign(split="test")
RAW = made_predictions(INDEX, SPLITS, signal=2.0)


@pytest.fixture
def judged(model):
    """A third of the labels unknown, and all of one finding's."""
    labels = INDEX[list(FINDINGS)].astype("boolean")
    labels = labels.mask(np.random.default_rng(3).random(labels.shape) < 1 / 3)
    labels["Mass"] = pd.NA
    index = INDEX.assign(**labels)
    calibrated = RAW.assign(**{name: RAW[name] ** 2 for name in FINDINGS})
    said = Said(RAW, calibrated.astype(dict.fromkeys(FINDINGS, np.float32)), 0.01, 0.02)
    return index, said, judge_transfer(model.about, index, said, JUDGING, seed=1)


def test_calls_and_probabilities_are_judged_on_known_labels(model, judged):
    index, said, transfer = judged
    table = transfer.table.set_index("finding")
    assert tuple(transfer.table) == COLUMNS
    assert list(table.index) == [*(f for f in FINDINGS if f not in ("Mass", "Hernia")), MEAN]
    for finding in table.index[:-1]:
        here = known(index, finding)
        true = positive(index, finding)[here]
        called = RAW[finding].to_numpy()[here] >= model.about.calls[finding].thresholds["youden"]
        probs = said.calibrated[finding].to_numpy()[here]
        row = table.loc[finding]
        assert (row["images"], row["positives"]) == (here.sum(), true.sum())
        assert row["sensitivity"] == pytest.approx(called[true].mean())
        assert row["specificity"] == pytest.approx((~called)[~true].mean())
        assert row["ppv"] == pytest.approx(true[called].mean())
        assert row["npv"] == pytest.approx((~true)[~called].mean())
        assert row["sensitivity_low"] < row["sensitivity"] < row["sensitivity_high"]
        assert row["predicted"] == pytest.approx(probs.mean())
        assert row["observed"] == pytest.approx(true.mean())
        assert row["brier"] == pytest.approx(np.mean((probs - true) ** 2))
        pairs = probs[true][:, None] > probs[~true][None]
        assert row["auroc"] == pytest.approx(pairs.mean(), abs=1e-3)
        own = model.about.scores[finding]
        assert row["drop"] == pytest.approx(own.auroc - row["auroc"])
    for name in ("auroc", "own_auroc", "drop", "sensitivity", "predicted", "ece"):
        assert table.loc[MEAN, name] == pytest.approx(table[name].drop(MEAN).mean())


def test_the_own_mean_is_over_the_same_findings_and_no_surer_than_it_may_be(judged):
    """All findings have 0.70 to 0.80; erring together, so has their mean."""
    mean = judged[2].table.set_index("finding").loc[MEAN]
    assert (mean["own_low"], mean["own_high"]) == (pytest.approx(0.7), pytest.approx(0.8))


def test_what_is_not_judged_is_said_with_its_reason(judged):
    assert judged[2].not_judged == {
        "Mass": "the cohort's tables do not say",
        "Hernia": "the model has no threshold of it",
    }


@pytest.mark.parametrize(
    ("own", "low", "high", "said"),
    [
        (0.95, 0.94, 0.96, "It drops by"),
        (0.52, 0.51, 0.53, "It is higher here, by"),
        (None, None, None, "The model's own is not known."),
    ],
)
def test_the_verdict_says_no_more_than_the_intervals(model, judged, own, low, high, said):
    index, predictions, _ = judged
    score = next(iter(model.about.scores.values()))
    scores = (
        {}
        if own is None
        else dict.fromkeys(
            FINDINGS, score.model_copy(update={"auroc": own, "low": low, "high": high})
        )
    )
    about = model.about.model_copy(update={"scores": scores})
    transfer = judge_transfer(about, index, predictions, JUDGING, seed=1)
    words = transfer_verdict(transfer, unlike=0.2, expected=0.01)
    assert said in words[0]
    assert words[-1] == (
        "20.0\u00a0% of the images are unlike the training images, where 1\u00a0% are expected: "
        "another kind of image."
    )
    assert ("with an interval clear of zero" in " ".join(words)) == (own == 0.95)


# The command


def call(*words):
    return CliRunner().invoke(command_line("external"), ["external", *map(str, words)])


def test_a_cohort_in_a_public_layout_is_judged(model, model_folder, tmp_path):
    folder = write_public_cohort(tmp_path / "cohort", "chexpert")
    out = tmp_path / "out"
    done = call(
        folder, "--model", model_folder, "--columns", "chexpert", "--bootstrap", 50, "--out", out
    )
    assert done.exit_code == 0, done.output
    table = pd.read_csv(out / "transfer.csv")
    assert set(table["finding"]) == {*COHORTS["chexpert"].names, MEAN}
    page = words_of((out / "index.html").read_text())
    assert "150 images of 75 patients" in page
    assert "Emphysema: the cohort's tables do not say" in page
    assert "uncertain labels" in page
    said = read_predictions(out / "predictions.parquet").set_index("image_index")
    path = next(folder.rglob("patient00003/study1/*.jpg"))
    name = "_".join(path.parts[-3:])
    one = model(path, age=4, view="AP")  # of unknown sex
    assert said.loc[name, list(FINDINGS)].to_dict() == pytest.approx(one.raw, abs=2e-5)  # batches
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["verdict"][0] in done.stdout
    as_scored = [out / "predictions.parquet", "--labels", folder / "train.csv", "--layout"]
    scored = CliRunner().invoke(
        command_line("score"),
        [
            "score",
            *map(str, as_scored),
            "chexpert",
            "--bootstrap",
            "0",
            "--out",
            str(out / "score"),
        ],
    )
    assert scored.exit_code == 0, scored.output
    aurocs = json.loads((out / "score/metrics.json").read_text())["predictions.parquet"]["auroc"]
    here = table.set_index("finding")["auroc"]
    assert here[list(COHORTS["chexpert"].names)].to_dict() == pytest.approx(
        {name: aurocs[name] for name in COHORTS["chexpert"].names}, abs=1e-5
    )


def test_a_second_synthetic_cohort_lacks_four_findings(model_folder, tmp_path):
    folder = tmp_path / "other"
    write_other(folder, seed=4, patients=120, prevalence_scale=4.0, exposure=True, size_px=128)
    done = call(
        folder, "--model", model_folder, "--columns", folder / "columns.yaml",
        "--bootstrap", 20, "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    unsaid = [
        f"not judged: {one.replace('_', ' ')}: the cohort's tables do not say" for one in UNKNOWN
    ]
    assert set(unsaid) <= set(done.stdout.splitlines())


def test_images_that_are_missing_or_broken_are_left_out_if_that_is_said(model_folder, tmp_path):
    folder = write_public_cohort(tmp_path / "cohort", "chexpert")
    first, second, *_ = sorted(folder.rglob("*.jpg"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:60])
    words = (
        folder, "--model", model_folder, "--columns", "chexpert", "--bootstrap", 0,
        "--out", tmp_path / "out",
    )  # fmt: skip
    refused = call(*words)
    assert refused.exit_code != 0
    assert not (tmp_path / "out").exists()
    done = call(*words, "--partial", "--skip-bad")
    assert done.exit_code == 0, done.output
    page = words_of((tmp_path / "out/index.html").read_text())
    assert "1 images of the table that were not found" in page
    assert "1 images that cannot be decoded" in page
