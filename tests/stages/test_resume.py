"""Training stages killed with -9 at random points end with the bytes of one that was let alone."""

import random
import shutil
import time
from pathlib import Path

import pytest

from tests.stages.conftest import commit, merge, run
from tests.stages.killed import begin, bytes_of, change, command_of, kill, outputs_of, said

SECTION = {
    "pretrain_capsnet": "capsnet",
    "train_global": "global",
    "train_local": "local",
    "train_fusion": "fusion",
    "finetune_fusion": "fusion",
}
"""The section of params.yaml that a training stage has of its own."""

SPECIAL = {
    "pretrain_capsnet": {},
    "train_global": {"global": {"head_epochs": 2, "schedule": "cosine"}, "train": {"ema": 0.9}},
    "train_local": {"local": {"schedule": "plateau"}, "train": {"augment": {"flip": 0.5}}},
    "train_fusion": {},
    "finetune_fusion": {"fusion": {"head": "mlp", "finetune": ["model"]}},
}
"""Between them all that is carried from one epoch to the next."""

EPOCHS = 10  # those that kills can outlast at most, and some more


def kill_after(command: list[str], folder: Path, *, epochs: int, delay: float) -> list[str]:
    """Start a command and kill it with all its children, `delay` seconds after it has told of
    so many epochs (0: after it was started); what it said."""
    process = begin(command, folder)
    while process.poll() is None:
        if said(folder).count(": epoch ") >= epochs:
            time.sleep(delay)
            break
        time.sleep(0.002)
    if not kill(process):
        pytest.fail(f"ended before it could be killed: {said(folder)[-2000:]}")
    return said(folder).splitlines()


@pytest.mark.slow
@pytest.mark.xdist_group("pipeline")
@pytest.mark.parametrize("stage", SECTION)
def test_a_stage_killed_again_and_again_ends_as_one_that_was_let_alone(finished, tmp_path, stage):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    change(folder, merge({SECTION[stage]: {"epochs": EPOCHS}}, SPECIAL[stage]))
    run("dvc", "repro", "--single-item", "check", cwd=folder)  # follows from params
    command, outputs = command_of(stage, folder), outputs_of(stage, folder)
    started = time.monotonic()
    run(*command, cwd=folder)
    whole = time.monotonic() - started
    expected = bytes_of(outputs)
    shutil.rmtree(folder / ".ckpt")  # else it would be known to have ended, and not be recorded
    chance = random.Random(stage)
    for after in (0, 1, 1, 1):  # epochs of its own, behind those that were there before
        for path in outputs:  # as DVC does before it runs a stage
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        # slow then, it may be fast now
        delay = chance.uniform(0, whole / 3 if after == 0 else whole / EPOCHS / 10)
        kill_after(command, folder, epochs=after, delay=delay)
    assert len(list((folder / ".ckpt").rglob("*.pt"))) == 1
    done = run(*command, cwd=folder)
    assert "goes on behind epoch" in done.stderr
    assert bytes_of(outputs) == expected
    (kept,) = (folder / ".ckpt").rglob("*.pt")
    assert kept.with_suffix(".json").exists()


@pytest.mark.xdist_group("pipeline")
def test_dvc_repro_goes_on_with_a_training_that_was_killed_with_it(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    change(folder, {"global": {"epochs": 3}})
    commit(folder)
    repro = ["dvc", "repro", "--single-item", "train_global@model"]
    first = kill_after(repro, folder, epochs=2, delay=0.0)
    assert any("epoch 2/3" in line for line in first)
    again = run(*repro, cwd=folder).stderr
    assert "goes on behind epoch" in again
    lines = [line for line in again.splitlines() if ": epoch " in line]
    assert 1 <= len(lines) <= 2
    assert "epoch 3/3" in lines[-1]
    here = bytes_of([folder / "data/models/model/global.safetensors"])
    forced = run("dvc", "repro", "--single-item", "--force", "train_global@model", cwd=folder)
    assert "epoch 1/3" in forced.stderr
    assert bytes_of([folder / "data/models/model/global.safetensors"]) == here
    assert len(list((folder / ".ckpt/train_global/model").glob("*.pt"))) == 1
