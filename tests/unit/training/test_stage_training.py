"""What a stage's training is kept by, and what it says of itself."""

import hashlib
import json
import shutil
from itertools import islice
from pathlib import Path

import pytest
import yaml
from made_tasks import linear, task, vectors
from training_numbers import PLAN

from pipeline import tracking
from pipeline.params.whole import parse_params
from pipeline.search.trials import changed
from pipeline.tracking import launch, session, spool
from pipeline.training.fit import fit
from pipeline.training.stage_training import StageTraining, StageTrainings

BASE = yaml.safe_load((Path(__file__).parents[2] / "tiny.yaml").read_text())
STAGE = ["stages/train_global.py", "--member", "model"]
WHOLE = "model.global resnet18"


@pytest.fixture(autouse=True)
def _checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.chdir(tmp_path)  # where dvc.lock is


def begun(**changes):
    """The training of a stage whose params differ by `changes`."""
    cfg = parse_params(changed(BASE, {"global.epochs": PLAN.epochs} | changes))
    return StageTraining("train_global", "model", cfg.train, cfg.global_)


def some_fit(*, seen=None, until=None):
    """A small training that notes which epochs it computes, and is dead behind epoch `until`."""

    def run(*, snapshots, watch):
        def noticing(*, epoch, sizes):
            (seen if seen is not None else []).append(epoch)
            return watch(epoch=epoch, sizes=sizes)

        epochs = fit(linear(), task(vectors), PLAN, snapshots=snapshots, watch=noticing)
        yield from islice(epochs, until)

    return run


def stop():
    """A training is dead behind its first epoch."""
    begun().train(some_fit(until=1), label=WHOLE)
    leave_snapshots()


def leave_snapshots():
    """As a process that is gone: nobody holds them any more, whatever holds on to frames here."""
    shutil.copytree(".ckpt", "left")
    shutil.rmtree(".ckpt")
    Path("left").rename(".ckpt")


CHANGES = [
    ({}, [2, 3]),
    ({"train.device_cache": "off"}, [2, 3]),
    ({"train.devices": 2}, [2, 3]),
    ({"train.flip_at_predict": True}, [2, 3]),
    ({"train.loss": "focal"}, [1, 2, 3]),
    ({"train.augment.flip": 0.5}, [1, 2, 3]),
    ({"global.learning_rate": 0.5}, [1, 2, 3]),
    ({"local.learning_rate": 0.5}, [2, 3]),
]


@pytest.mark.parametrize(("change", "computed"), CHANGES, ids=[str(one) for one, _ in CHANGES])
def test_a_stopped_training_goes_on_unless_a_param_changes_what_it_comes_to(change, computed):
    stop()
    seen = []
    followed = begun(**change).follow(some_fit(seen=seen), label=WHOLE)
    assert seen == computed
    assert [epoch.epoch for epoch in followed] == [1, 2, 3]


def test_an_epoch_is_shown_by_the_process_that_computed_it(monkeypatch, caplog):
    monkeypatch.setenv("CXR_TRACKING", "off")
    caplog.set_level("INFO")
    with tracking.stage(STAGE):
        stop()
    assert [one for one in caplog.messages if f"{WHOLE}: epoch 1/3  train_loss" in one]
    caplog.clear()
    with tracking.stage(STAGE):
        begun().train(some_fit(), label=WHOLE)
    shown = [one.split("  ")[0] for one in caplog.messages if one.startswith(WHOLE)]
    assert shown == [f"{WHOLE}: epoch 2/3", f"{WHOLE}: epoch 3/3"]


@pytest.mark.parametrize("keep", ["loss", "auroc", "last"])
def test_each_epoch_is_a_step_of_the_run_and_the_kept_one_is_named(monkeypatch, tmp_path, keep):
    monkeypatch.setenv("CXR_TRACKING", "on")
    monkeypatch.setattr(session, "start_writer", lambda folder: None)
    Path("params.yaml").touch()
    with tracking.stage(STAGE):
        followed = begun(**{"train.keep": keep}).follow(some_fit(), label=WHOLE)
    (path,) = spool.spools(launch.spool_folder(tmp_path))
    records = [json.loads(line) for line in path.read_text().splitlines()]
    *epochs, last = [one for one in records if one["kind"] == "metrics"]
    assert [one["step"] for one in epochs] == [1, 2, 3]
    assert [one["values"]["val_loss"] for one in epochs] == [one.val_loss for one in followed]
    best = {
        "loss": min(followed, key=lambda one: one.val_loss),
        "auroc": max(followed, key=lambda one: one.val_auroc),
        "last": followed[-1],
    }
    assert last["values"]["kept_epoch"] == best[keep].epoch
    assert last["values"]["kept_val_auroc"] == best[keep].val_auroc
    assert {rule: last["values"][f"epoch_by_{rule}"] for rule in best} == {
        rule: one.epoch for rule, one in best.items()
    }


def test_what_comes_after_a_training_is_for_the_first_process_alone(monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit) as ended:
        begun().follow(some_fit(), label=WHOLE)
    assert ended.value.code == 0
    assert not [one for one in caplog.messages if one.startswith(WHOLE)]


def begun_for_members():
    cfg = parse_params(changed(BASE, {"capsnet.epochs": PLAN.epochs}))
    return StageTrainings("pretrain_capsnet", cfg.train, cfg.capsnet, label="capsnet")


def test_a_stage_that_is_stopped_at_its_second_member_trains_the_first_no_more(caplog):
    caplog.set_level("INFO")
    trainings = begun_for_members()
    trainings.follow("model", some_fit())
    trainings.follow("second", some_fit(until=1))
    assert [one for one in caplog.messages if one.startswith("second.capsnet: epoch 1/3")]
    leave_snapshots()
    seen, again = {"model": [], "second": []}, begun_for_members()
    followed = {one: again.follow(one, some_fit(seen=seen[one])) for one in seen}
    again.end()
    assert seen == {"model": [], "second": [2, 3]}
    assert {one: len(epochs) for one, epochs in followed.items()} == {"model": 3, "second": 3}


def test_what_a_stage_has_finished_with_is_noted_for_each_member(tmp_path):
    trainings = begun_for_members()
    for member in ("model", "second"):
        trainings.follow(member, some_fit())
    Path("starts").write_text("a")
    trainings.finish(Path("starts"))
    notes = sorted(tmp_path.glob(".ckpt/pretrain_capsnet/*/*.json"))
    assert [note.parent.name for note in notes] == ["model", "second"]
    written = [json.loads(note.read_text())["outputs"] for note in notes]
    assert written == [{"starts": hashlib.md5(b"a").hexdigest()}] * 2
