"""A training that was stopped goes on as if it had not been, to the bit."""

import dataclasses
import io
from contextlib import contextmanager
from itertools import count
from types import SimpleNamespace

import pytest
import torch
from branches import make_branch
from made_tasks import SMALL, branch, images, joint, joint_task, linear, task, vectors
from training_numbers import NO_CHANGE, PLAN

from pipeline.capsnet.autoencoder import build_autoencoder
from pipeline.capsnet.pretraining import with_labels, with_reconstruction
from pipeline.networks.augment import augmentation
from pipeline.networks.device import resolve_precision
from pipeline.training.failure import TrainingError
from pipeline.training.fit import Task, fit
from pipeline.training.processes.distributed import World
from pipeline.training.records import snapshots as module
from pipeline.training.records.snapshots import Snapshots

TURNED = augmentation(
    NO_CHANGE.model_copy(update={"flip": 0.5, "rotation_degrees": 15.0}), alpha=False
)

KINDS = {
    "plain": {},
    "one_cycle": {"schedule": "one_cycle"},
    "cosine": {"schedule": "cosine", "head_epochs": 2},
    "plateau": {"schedule": "plateau", "head_epochs": 1, "learning_rate": 0.05, "epochs": 6},
    "ema": {"ema": 0.9},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
    "micro": {"micro_batch": 3},
    "streamed": {"device_cache": "off"},
}
"""What is special in a plan that carries something from one epoch to the next."""


CPU = torch.device("cpu")


class Killed(BaseException):
    """As sudden as a signal, as far as the training can tell."""


def killed_in(epoch, batch):
    """A watch under which the process dies before a batch of an epoch."""

    @contextmanager
    def watch(*, epoch: int, sizes: list[int], dies=(epoch, batch)):
        numbers = count()

        def reach():
            if (epoch, next(numbers)) == dies:
                raise Killed

        reach()
        yield reach

    return watch


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # where a stage's dvc.lock is
    return tmp_path


def stopped_and_gone_on(make, what, plan, *points):
    """The network and the epochs of a training that died at each of the points."""
    for point in points:
        with pytest.raises(Killed):
            list(fit(make(), what, plan, snapshots=Snapshots("a"), watch=killed_in(*point)))
    network, last = make(), Snapshots("a")
    epochs = list(fit(network, what, plan, snapshots=last))
    return network, epochs


def same(found, expected):
    return [dataclasses.replace(epoch, images_per_second=0.0) for epoch in found] == [
        dataclasses.replace(epoch, images_per_second=0.0) for epoch in expected
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_branch_ends_with_the_weights_of_an_uninterrupted_training(root, kind):
    what = task(images, rows=12, augment=TURNED, val_rows=8)
    plan = dataclasses.replace(PLAN, **{"batch_size": 4, "epochs": 4} | KINDS[kind])
    if kind == "fp16":  # gradients overflow at first, so that the scaler has something to carry
        mild = what.loss
        what = dataclasses.replace(what, loss=lambda *pair: mild(*pair) * 100)
    expected = branch()
    epochs = list(fit(expected, what, plan))
    network, found = stopped_and_gone_on(branch, what, plan, (1, 1), (2, 0), (3, 2), (4, 1))
    assert same(found, epochs)
    for name, value in expected.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


def test_so_does_every_other_kind_of_network(root):
    pictures = {"train": images(8, 0), "val": images(4, 1, "val")}
    thumbs = {
        "train": with_labels(images(8, 0, size=28)),
        "val": with_labels(images(4, 1, "val", size=28)),
    }
    loss = task(images).loss
    for make, examples, its_loss in [
        (lambda: make_branch("mobilenet_v2", size=32), pictures, loss),
        (lambda: make_branch(f"{SMALL}_capsnet", size=32), pictures, loss),
        (lambda: build_autoencoder(14, seed=0), thumbs, with_reconstruction(loss, weight=0.1)),
        (linear, {"train": vectors(8, 0), "val": vectors(4, 1)}, loss),
    ]:
        what = Task(examples["train"], examples["val"], its_loss, TURNED)
        numbers = {"epochs": 2, "batch_size": 4, "learning_rate": 0.001}
        plan = dataclasses.replace(PLAN, schedule="cosine", **numbers)
        expected = make()
        epochs = list(fit(expected, what, plan))
        network, found = stopped_and_gone_on(make, what, plan, (2, 1))
        assert same(found, epochs)
        for name, value in expected.state_dict().items():
            assert torch.equal(network.state_dict()[name], value), name


def test_so_do_both_branches_and_the_fusion_head_with_its_dropout(root):
    what = joint_task(24, TURNED)
    expected = joint()
    epochs = list(fit(expected, what, PLAN))
    network, found = stopped_and_gone_on(joint, what, PLAN, (2, 2), (3, 0))
    assert same(found, epochs)
    for name, value in expected.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


def test_a_training_that_had_ended_is_not_run_again(root):
    what = task(vectors)
    network, again = linear(), linear()
    epochs = list(fit(network, what, PLAN, snapshots=Snapshots("a")))
    found = list(fit(again, what, PLAN, snapshots=Snapshots("a"), watch=killed_in(1, 0)))
    assert found == epochs  # rates of images per second and all: nothing was measured again
    assert torch.equal(network.weight, again.weight)


def test_patience_goes_on_where_it_was(root):
    plan = dataclasses.replace(PLAN, epochs=50, learning_rate=1.0, patience=2)
    expected = list(fit(linear(), task(vectors), plan))
    assert 3 < len(expected) < 50
    point = (len(expected), 0)
    _, found = stopped_and_gone_on(linear, task(vectors), plan, point)
    assert same(found, expected)


CHANGES = {
    "precision": lambda what, plan: (what, dataclasses.replace(plan, precision="bf16")),
    "micro-batch": lambda what, plan: (what, dataclasses.replace(plan, micro_batch=4)),
    "seed": lambda what, plan: (what, dataclasses.replace(plan, seed=2)),
    "epochs": lambda what, plan: (what, dataclasses.replace(plan, epochs=4)),
    "rate": lambda what, plan: (what, dataclasses.replace(plan, learning_rate=0.02)),
    "image": lambda what, plan: (changed(what, "train", "inputs"), plan),
    "label": lambda what, plan: (changed(what, "train", "targets"), plan),
    "validation image": lambda what, plan: (changed(what, "val", "inputs"), plan),
    "validation label": lambda what, plan: (changed(what, "val", "targets"), plan),
}


def changed(what, split, part):
    one = getattr(what, split)
    value = one.targets if part == "targets" else one.inputs[0]
    other = value.clone()
    other[-1, -1] = 1 - other[-1, -1]
    new = dataclasses.replace(one, **{part: other if part == "targets" else (other,)})
    return dataclasses.replace(what, **{split: new})


def test_nor_does_one_on_other_hardware_or_of_other_processes(root, monkeypatch):
    what, plan = task(images, rows=16), dataclasses.replace(PLAN, epochs=2, precision="auto")
    list(fit(branch(), what, plan, snapshots=Snapshots("a")))
    with monkeypatch.context() as patch:
        real = "bf16" if "bf16" in str(resolve_precision(CPU, "auto")) else "fp32"
        other = {"bf16": "fp32", "fp32": "bf16"}[real]
        patch.setattr("pipeline.training.state.resolve_precision", lambda *_: other)
        with pytest.raises(Killed):
            list(fit(branch(), what, plan, snapshots=Snapshots("a"), watch=killed_in(1, 0)))
    world = World(0, 2)
    patched = [("join", lambda: world), ("parallel", lambda network, _: network)]
    for name, value in patched:
        monkeypatch.setattr(f"pipeline.training.fit.{name}", value)
    monkeypatch.setattr(World, "agree", lambda self, value: value)
    with pytest.raises(Killed):
        list(fit(branch(), what, plan, snapshots=Snapshots("a"), watch=killed_in(1, 0)))


def test_where_images_are_kept_makes_no_other_training(root):
    what = task(images, rows=16)
    plan = dataclasses.replace(PLAN, epochs=2)
    expected = list(fit(branch(), what, plan, snapshots=Snapshots("a")))
    plan = dataclasses.replace(plan, device_cache="off")
    found = list(fit(branch(), what, plan, snapshots=Snapshots("a"), watch=killed_in(1, 0)))
    assert found == expected


def test_of_two_processes_at_the_same_training_one_keeps_snapshots(root, caplog):
    """The other one begins anew, and takes nothing from the one that lives."""
    told = []
    first, second = Snapshots("a"), Snapshots("a", resumed=lambda *words: told.append(1))
    epochs = fit(linear(), task(vectors), PLAN, snapshots=first)
    next(epochs)
    found = list(fit(linear(), task(vectors), PLAN, snapshots=second))
    assert len(found) == PLAN.epochs
    assert not told
    assert "another process is at the same training" in caplog.text
    second.finish()
    (kept,) = root.rglob("*.pt")
    assert read(kept)["epoch"] == 1
    assert not list(root.rglob("*.json"))
    list(epochs)
    assert read(kept)["epoch"] == PLAN.epochs


@pytest.mark.parametrize("change", CHANGES)
def test_another_training_never_goes_on_from_this_one_s_snapshot(root, change):
    what, plan = task(images, rows=16), dataclasses.replace(PLAN, epochs=2)
    list(fit(branch(), what, plan, snapshots=Snapshots("a")))
    what, plan = CHANGES[change](what, plan)
    with pytest.raises(Killed):
        list(fit(branch(), what, plan, snapshots=Snapshots("a"), watch=killed_in(1, 0)))


def test_nor_does_one_with_other_weights_other_params_or_another_name(root, monkeypatch):
    what, plan = task(images, rows=16), dataclasses.replace(PLAN, epochs=2)
    list(fit(branch(), what, plan, snapshots=Snapshots("a", "params")))
    other = branch()
    with torch.no_grad():
        other.head.bias[3] += 1e-6
    for network, snapshots in [
        (other, Snapshots("a", "params")),
        (branch(), Snapshots("a", "other params")),
        (branch(), Snapshots("b", "params")),
    ]:
        with pytest.raises(Killed):
            list(fit(network, what, plan, snapshots=snapshots, watch=killed_in(1, 0)))
    monkeypatch.setattr(module, "_code_digest", lambda: "other code")
    snapshots = Snapshots("a", "params")
    with pytest.raises(Killed):
        list(fit(branch(), what, plan, snapshots=snapshots, watch=killed_in(1, 0)))


def read(path):
    return torch.load(io.BytesIO(path.read_bytes()[module._DIGEST :]))


def test_a_snapshot_is_replaced_whole_or_not_at_all(root, monkeypatch):
    what = task(vectors)
    epochs = fit(linear(), what, PLAN, snapshots=Snapshots("a"))
    next(epochs)

    def full(file):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fsync", full)
        with pytest.raises(OSError, match="no space left"):
            next(epochs)
    (kept,) = root.rglob("*.pt")
    assert read(kept)["epoch"] == 1
    assert {path.suffix for path in kept.parent.iterdir()} == {".pt", ".lock"}


def test_what_a_killed_process_had_half_written_of_another_training_is_removed(root):
    list(fit(linear(), task(vectors), PLAN, snapshots=Snapshots("a")))
    (kept,) = root.rglob("*.pt")
    half = kept.with_name(".0123.pt.999999999.partial")
    half.write_bytes(b"half")
    list(fit(linear(), task(vectors), PLAN, snapshots=Snapshots("a", "other")))
    assert not half.exists()
    assert kept.exists()


DAMAGES = {
    "cut": lambda whole: whole[:500],
    "empty": lambda whole: b"",
    "a bit": lambda whole: whole[:700] + bytes([whole[700] ^ 1]) + whole[701:],
    "text": lambda whole: b"not a snapshot",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_snapshot_that_is_damaged_is_named_and_training_begins_anew(root, caplog, damage):
    expected = list(fit(linear(), task(vectors), PLAN, snapshots=Snapshots("a")))
    (kept,) = root.rglob("*.pt")
    kept.write_bytes(DAMAGES[damage](kept.read_bytes()))
    found = list(fit(linear(), task(vectors), PLAN, snapshots=Snapshots("a")))
    assert same(found, expected)
    assert f"{kept} is damaged" in caplog.text


def test_a_loss_that_is_not_finite_leaves_the_last_good_snapshot(root):
    calls = []

    def augment(inputs, drawn):
        calls.append(1)
        return (inputs[0] * (float("nan") if len(calls) == 20 else 1),)

    with pytest.raises(TrainingError, match="at step 4 of epoch 3"):
        list(fit(linear(), task(vectors, augment=augment), PLAN, snapshots=Snapshots("a")))
    (kept,) = root.rglob("*.pt")
    snapshot = read(kept)
    assert snapshot["epoch"] == 2
    assert all(bool(value.isfinite().all()) for value in snapshot["state"]["network"].values())


def test_who_goes_on_is_told_of_the_run_and_its_last_epoch(root):
    told = []
    what, plan = task(vectors), dataclasses.replace(PLAN, epochs=3)
    for run, point in (("first", (3, 0)), ("second", (3, 0))):
        snapshots = Snapshots("a", run=run, resumed=lambda *words: told.append(words))
        with pytest.raises(Killed):
            list(fit(linear(), what, plan, snapshots=snapshots, watch=killed_in(*point)))
        snapshots._lock.close()  # as the end of its process does
    assert told == [("first", 2)]
    list(fit(linear(), what, plan, snapshots=Snapshots("a", resumed=lambda *w: told.append(w))))
    assert told == [("first", 2)] * 2


def test_snapshots_nobody_went_on_with_are_swept_away_in_time(root, monkeypatch):
    list(fit(linear(), task(vectors), PLAN, snapshots=Snapshots("a", "old")))
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: 1e12))
    snapshots = Snapshots("a", "new")
    list(fit(linear(), task(vectors), PLAN, snapshots=snapshots))
    (kept,) = root.rglob("*.pt")
    snapshots = Snapshots("a", "new")  # what is asked for is never too old
    list(fit(linear(), task(vectors), PLAN, snapshots=snapshots, watch=killed_in(1, 0)))
    assert kept.exists()
