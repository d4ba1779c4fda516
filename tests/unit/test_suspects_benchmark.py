"""The benchmark of doubtful labels: the truth of a cohort, and what is counted."""

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from benchmarks import suspects
from benchmarks.suspects import (
    FIRST,
    KINDS,
    expect_same_labels,
    measure_suspects,
    share_of_first,
    suspects_table,
    truth_of,
)
from pipeline.base.findings import FINDINGS
from pipeline.base.tables import write_index, write_predictions, write_splits
from pipeline.cohort.phantom.cohort import make_cohort
from pipeline.errors import ArtifactError
from pipeline.params.sections import PhantomParams
from pipeline.results.suspects.label_scores import SCORES

PHANTOM = PhantomParams(
    seed=5, patients=150, size_px=128, label_noise=0.1, prevalence_scale=2.0
)  # fmt: skip


@pytest.fixture(scope="module")
def truth():
    return truth_of(PHANTOM)


@pytest.fixture(scope="module")
def index(truth):
    images = truth.labels.sort_index().reset_index()
    about = {
        "patient_id": np.arange(len(images)) // 2, "follow_up": 0, "age_years": 50.0,
        "gender": "M", "view_position": "PA",
        "width": 64, "height": 64, "shard": 0, "row": np.arange(len(images)),
    }  # fmt: skip
    return images.assign(**about)


@pytest.fixture(scope="module")
def predictions(truth):
    """A reader who sees what is there, not quite."""
    rng = np.random.default_rng(0)
    seen = truth.present.to_numpy() * 0.5 + 0.5 * rng.random(truth.present.shape)
    frame = pd.DataFrame(seen, index=truth.present.index, columns=list(FINDINGS)).astype("float32")
    return frame.reset_index().assign(split="test")


def test_the_truth_and_its_labels_are_those_of_the_phantoms(truth):
    cohort = make_cohort(PHANTOM)  # tables alone: no image is drawn until it is asked for
    assert ((cohort.severities > 0) == truth.present).all(axis=None)
    labels = cohort.entries.set_index("image_index").loc[truth.labels.index, list(FINDINGS)]
    pd.testing.assert_frame_equal(labels, truth.labels)


def test_noise_is_as_frequent_among_labels_as_params_say(truth):
    spurious = truth.wrong & truth.labels
    assert spurious.to_numpy().sum() / truth.labels.to_numpy().sum() == pytest.approx(
        0.1, abs=0.02
    )
    without = truth_of(PHANTOM.model_copy(update={"label_noise": 0.0}))
    assert not without.wrong.any(axis=None)
    pd.testing.assert_frame_equal(without.present, truth.present)


def test_precision_is_counted_among_the_first_of_each_kind(predictions, index, truth):
    found = list(measure_suspects(predictions, index, truth))
    assert [(one.score, one.kind) for one in found] == [(s, k) for s in SCORES for k in KINDS]
    for one in found:
        share, low, high = one.found[FIRST[0]]
        assert share > 3 * one.noise
        assert low <= share <= high
    whole, given, missing = found[:3]
    assert whole.labels == given.labels + missing.labels == 14 * len(index)
    assert given.labels == truth.labels.to_numpy().sum()
    assert "| mine | odds | " in suspects_table({"mine": found})


def test_the_share_of_the_first_by_hand():
    """Where every patient has one label and the first are noise, a draw takes most of them."""
    wrong = np.arange(40) < 10
    share, low, high = share_of_first(wrong, np.arange(40), 10)
    assert share == 1
    assert 0.4 < low < high == 1
    alone = share_of_first(wrong, np.zeros(40, int), 20)
    assert alone == (0.5, 0.5, 0.5)


def test_another_cohort_is_refused(index, truth):
    with pytest.raises(ArtifactError, match="are not those that params"):
        expect_same_labels(index.assign(Mass=True), truth)
    with pytest.raises(ArtifactError, match="expected the synthetic cohort"):
        expect_same_labels(index[1:], truth)
    expect_same_labels(index, truth)


def test_it_is_printed_for_a_checkout(tmp_path, monkeypatch, index, predictions):
    write_index(index, tmp_path / "data/cache/index.parquet")
    write_splits(predictions[["image_index", "split"]], tmp_path / "data/splits.parquet")
    write_predictions(predictions, tmp_path / "data/calibrated/ensemble.parquet")

    class Loaded:
        phantom = PHANTOM

    monkeypatch.setattr(suspects, "load_params", lambda path: Loaded)
    app = typer.Typer()
    app.command()(suspects.main)
    done = CliRunner().invoke(app, ["--checkout", str(tmp_path), "--systems", "ensemble"])
    assert done.exit_code == 0, done.output
    assert f"images: {len(index)} test" in done.output
    assert "| ensemble | confidence | " in done.output
