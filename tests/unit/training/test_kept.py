"""The rules by which an epoch is kept, and all that follows them."""

import dataclasses
import logging
import math
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_tasks import branch, images, linear, task, vectors
from training_numbers import PLAN

from pipeline.errors import CohortError, ParamsError
from pipeline.results.report.views.kept_epochs import kept_rows
from pipeline.training.fit import fit
from pipeline.training.predict import predict_logits
from pipeline.training.records.curves import read_curves, write_curves
from pipeline.training.records.kept import (
    KEEP,
    PLATEAU,
    best_by,
    cost,
    kept_epoch,
    numbers_of_kept,
)
from pipeline.training.schedule import SCHEDULES

LOSSES = [0.20, 0.25, 0.22, 0.24, 0.23]
AUROCS = [0.742, 0.750, 0.755, 0.762, 0.760]
EXPECTED = {"loss": 1, "auroc": 4, "last": 5}


def record(number, loss, auroc):
    return SimpleNamespace(
        epoch=number, train_loss=0.3, val_loss=loss, val_auroc=auroc, learning_rate=0.01
    )


def records(losses=LOSSES, aurocs=AUROCS):
    pairs = zip(losses, aurocs, strict=True)
    return [record(number, *pair) for number, pair in enumerate(pairs, start=1)]


@pytest.fixture
def judged_as(monkeypatch):
    """Trainings whose epochs are judged by given numbers."""

    def set_to(losses=LOSSES, aurocs=AUROCS):
        pairs = iter(zip(losses, aurocs, strict=True))
        monkeypatch.setattr("pipeline.training.fit._validate", lambda *_, **__: next(pairs))

    return set_to


@pytest.mark.parametrize("keep", KEEP)
def test_a_rule_keeps_the_epoch_that_it_ranks_first(keep):
    assert kept_epoch(records(), keep).epoch == EXPECTED[keep]
    assert best_by(records())[keep].epoch == EXPECTED[keep]


@given(values=st.lists(st.sampled_from([0.1, 0.2, 0.3, math.nan]), min_size=1, max_size=8))
@pytest.mark.parametrize("keep", KEEP)
def test_no_epoch_is_better_than_the_kept_one_and_no_earlier_one_as_good(keep, values):
    epochs = records(values, values)
    kept = kept_epoch(epochs, keep)
    assert all(cost(kept, keep) <= cost(one, keep) for one in epochs)
    assert all(cost(one, keep) > cost(kept, keep) for one in epochs[: kept.epoch - 1])


@pytest.mark.parametrize("keep", ["loss", "auroc"])
def test_an_epoch_without_a_number_is_never_better_than_one_that_has_one(keep):
    epochs = records([math.nan, 0.5, math.nan], [math.nan, 0.5, math.nan])
    assert kept_epoch(epochs, keep).epoch == 2


def test_a_rule_that_there_is_not_is_named():
    with pytest.raises(
        ParamsError, match=r"train.keep: unknown 'best'; expected one of loss, auro"
    ):
        kept_epoch(records(), "best")


def test_of_no_epochs_none_is_kept():
    assert kept_epoch([], "loss") is None
    assert best_by([]) == {}


@pytest.mark.parametrize("keep", KEEP)
def test_the_network_ends_with_the_weights_of_the_kept_epoch(judged_as, keep):
    judged_as()
    network, plan = linear(), dataclasses.replace(PLAN, keep=keep, epochs=5)
    epochs = fit(network, task(vectors), plan)
    seen = [network.weight.detach().clone() for _ in epochs]
    assert torch.equal(network.weight, seen[EXPECTED[keep] - 1])


@pytest.mark.parametrize("keep", KEEP)
def test_of_a_running_mean_the_kept_epoch_s_is_kept(keep):
    what, network = task(vectors), linear()
    plan = dataclasses.replace(PLAN, keep=keep, epochs=8, ema=0.95, learning_rate=0.3)
    epochs = list(fit(network, what, plan))
    logits = predict_logits(network, what.val.inputs, precision="fp32")
    kept = kept_epoch(epochs, keep)
    assert float(what.loss(logits, what.val.targets)) == pytest.approx(kept.val_loss)


@pytest.mark.parametrize(("keep", "ended"), [("loss", 3), ("auroc", 5), ("last", 5)])
def test_patience_counts_from_the_epoch_that_the_rule_keeps(judged_as, keep, ended):
    judged_as()
    plan = dataclasses.replace(PLAN, keep=keep, epochs=5, patience=2)
    assert len(list(fit(linear(), task(vectors), plan))) == ended


def test_keeping_the_last_epoch_says_that_patience_does_not_stop_it(judged_as, caplog):
    judged_as()
    caplog.set_level(logging.INFO)
    plan = dataclasses.replace(PLAN, keep="last", epochs=5, patience=2, schedule="plateau")
    list(fit(linear(), task(vectors), plan))
    assert "train.keep: last: train.patience (2) stops nothing" in caplog.text
    assert "the plateau follows the validation loss" in caplog.text


@pytest.mark.parametrize(
    ("keep", "rates"),
    [
        ("loss", [0.01, 0.01, 0.01, 0.01, 0.001]),  # three epochs behind the first
        ("auroc", [0.01, 0.01, 0.01, 0.01, 0.01]),
        ("last", [0.01, 0.01, 0.01, 0.01, 0.001]),
    ],
)
def test_the_plateau_follows_the_rule_and_under_last_the_loss(judged_as, keep, rates):
    judged_as()
    plan = dataclasses.replace(PLAN, keep=keep, epochs=5, schedule="plateau")
    found = [epoch.learning_rate for epoch in fit(linear(), task(vectors), plan)]
    assert found == pytest.approx(rates)
    assert PLATEAU.keys() == KEEP.keys()


@pytest.mark.parametrize("keep", KEEP)
def test_the_log_says_which_epoch_is_kept_by_what_and_what_the_other_rule_would(
    judged_as, caplog, keep
):
    judged_as()
    caplog.set_level(logging.INFO)
    list(fit(linear(), task(vectors), dataclasses.replace(PLAN, keep=keep, epochs=5)))
    said = next(line for line in caplog.messages if line.startswith("keeps epoch"))
    assert said.startswith(f"keeps epoch {EXPECTED[keep]} of 5 (train.keep: {keep}): val_loss 0.2")
    for other in {"loss", "auroc"} - {keep}:
        assert f"; {other} would keep epoch {EXPECTED[other]}: val_loss 0.2" in said
    assert "last would" not in said


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_kept_epoch_of_the_warm_up_is_warned_of(judged_as, caplog, schedule):
    judged_as()
    plan = dataclasses.replace(PLAN, epochs=5, schedule=schedule, warmup=0.4)
    list(fit(linear(), task(vectors), plan))
    warned = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    if schedule in ("one_cycle", "cosine"):
        assert len(warned) == 1
        assert "the kept epoch 1 (steps 1 to 8 of 40) is of the warm-up" in warned[0]
        assert "until step 16 (train.warmup 0.4)" in warned[0]
    else:
        assert warned == []


@pytest.mark.parametrize(("keep", "warmup"), [("auroc", 0.4), ("last", 0.4), ("loss", 0.0)])
def test_one_behind_the_warm_up_is_not(judged_as, caplog, keep, warmup):
    judged_as()
    plan = dataclasses.replace(PLAN, epochs=5, schedule="cosine", warmup=warmup, keep=keep)
    list(fit(linear(), task(vectors), plan))
    assert not [one for one in caplog.records if one.levelname == "WARNING"]


def test_a_training_of_one_epoch_had_no_other_to_keep(judged_as, caplog):
    judged_as()
    plan = dataclasses.replace(PLAN, epochs=1, schedule="one_cycle")
    list(fit(linear(), task(vectors), plan))
    assert not [one for one in caplog.records if one.levelname == "WARNING"]


def test_blocks_released_behind_the_kept_epoch_are_told_of(judged_as, caplog):
    judged_as([0.1, 0.5, 0.6], [0.7] * 3)
    caplog.set_level(logging.INFO)
    network = branch()
    plan = dataclasses.replace(PLAN, head_epochs=1, epochs=3)
    list(fit(network, task(images, rows=8), plan))
    blocks = len(network.blocks)
    assert f"{blocks} of {blocks} blocks are as they were" in caplog.text


@pytest.mark.parametrize("keep", KEEP)
def test_no_rule_follows_a_validation_set_without_both_classes(keep):
    what = task(vectors)
    alike = dataclasses.replace(what.val, targets=torch.zeros_like(what.val.targets))
    with pytest.raises(CohortError, match="no finding has both classes among the 32 val images"):
        next(
            fit(
                linear(),
                dataclasses.replace(what, val=alike),
                dataclasses.replace(PLAN, keep=keep),
            )
        )


def test_auroc_ranks_the_outputs_that_a_person_would_rank():
    """No made numbers: the kept weights have the highest AUROC of all epochs."""
    from pipeline.training.judging import mean_auroc  # noqa: PLC0415

    what, network = task(vectors), linear()
    plan = dataclasses.replace(PLAN, keep="auroc", epochs=12, learning_rate=0.5)
    epochs = list(fit(network, what, plan))
    logits = predict_logits(network, what.val.inputs, precision="fp32").numpy()
    found = mean_auroc(what.val.targets.numpy().astype(bool), logits)
    assert found == max(epoch.val_auroc for epoch in epochs)


@pytest.mark.parametrize("keep", KEEP)
def test_the_table_marks_the_kept_epoch_and_what_every_rule_would_keep(tmp_path, keep):
    write_curves(records(), tmp_path / "c.csv", keep=keep)
    table = read_curves(tmp_path / "c.csv")
    assert list(table["best_by"]) == ["loss", "", "", "auroc", "last"]
    assert list(table["kept"]) == [keep if n == EXPECTED[keep] else "" for n in range(1, 6)]


def test_one_epoch_is_best_by_every_rule(tmp_path):
    write_curves(records()[:1], tmp_path / "c.csv", keep="loss")
    table = read_curves(tmp_path / "c.csv")
    assert list(table["best_by"]) == ["loss auroc last"]
    assert isinstance(table, pd.DataFrame)


@pytest.mark.parametrize("keep", KEEP)
def test_a_record_of_figures_has_the_kept_epoch_and_that_of_every_rule(keep):
    found, kept = numbers_of_kept(records(), keep), EXPECTED[keep]
    assert found["kept_epoch"] == kept
    assert (found["kept_val_loss"], found["kept_val_auroc"]) == (
        LOSSES[kept - 1],
        AUROCS[kept - 1],
    )
    assert {rule: found[f"epoch_by_{rule}"] for rule in KEEP} == EXPECTED
    assert numbers_of_kept([], keep) == {}


@pytest.mark.parametrize("keep", KEEP)
def test_the_page_names_the_kept_epoch_and_what_either_rule_would_keep(tmp_path, keep):
    write_curves(records(), tmp_path / "c.csv", keep=keep)
    (row,) = kept_rows({"model.global": read_curves(tmp_path / "c.csv")})
    assert (row.system, row.epochs, row.keep) == ("model.global", 5, keep)
    assert row.kept.epoch == EXPECTED[keep]
    assert {rule: one.epoch for rule, one in row.best.items()} == {"loss": 1, "auroc": 4}
    assert row.best["auroc"].val_auroc == 0.762
