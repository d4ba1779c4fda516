"""What is kept of a training that has ended, and until when."""

import hashlib
import io
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import yaml
from made_tasks import linear, task, vectors
from training_numbers import PLAN

from pipeline.training.fit import fit
from pipeline.training.records import snapshots as module
from pipeline.training.records.snapshots import Snapshots

REPO = Path(__file__).parents[3]


class Begins(BaseException):
    """A training has to compute its first epoch."""


def noticing(*, epoch: int, sizes: Sequence[int]):
    raise Begins


@pytest.fixture(autouse=True)
def _checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # where dvc.lock is


def end(output, *about, name="train/model"):
    """A training to its end, and what its stage writes behind it."""
    snapshots = Snapshots(name, *about)
    list(fit(linear(), task(vectors), PLAN, snapshots=snapshots))
    Path(output).write_text(output)
    snapshots.finish(Path(output))
    return snapshots


def stop(*about, name="train/model"):
    """A training, dead behind its first epoch."""
    epochs = fit(linear(), task(vectors), PLAN, snapshots=Snapshots(name, *about))
    next(epochs)
    epochs.close()


def begins_anew(*about, name="train/model"):
    """Whether the training, started once more, has to compute its first epoch."""
    snapshots = Snapshots(name, *about)
    try:
        list(fit(linear(), task(vectors), PLAN, snapshots=snapshots, watch=noticing))
    except Begins:
        return True
    return False


def record(*outputs, params=1):
    """Write dvc.lock as DVC does."""
    outs = [{"path": o, "md5": hashlib.md5(Path(o).read_bytes()).hexdigest()} for o in outputs]
    train = {"cmd": "", "params": {"params.yaml": {"some": params}}, "outs": outs}
    lock = {"schema": "2.0", "stages": {"train": train, "none": {"cmd": ""}}}
    Path("dvc.lock").write_text(yaml.safe_dump(lock))


def kept(name="train/model"):
    return list(Path(".ckpt", name).glob("*.pt"))


def test_one_that_dvc_did_not_record_is_not_run_again_however_often():
    end("model")
    assert not begins_anew()
    assert not begins_anew()


def test_one_that_dvc_recorded_is_run_again():
    """Which only `dvc repro --force`, or a result that nobody has any more, asks for."""
    end("model")
    record("model")
    assert begins_anew()
    assert not kept()


def test_what_dvc_recorded_of_another_training_does_not_count():
    Path("model").write_text("of other params")
    record("model")
    end("model")
    assert not begins_anew()


def test_what_came_to_the_bits_of_an_earlier_run_is_recorded_when_its_entry_changes():
    """A training under other params may end with the same weights."""
    Path("model").write_text("model")
    record("model", params=1)
    end("model")
    assert not begins_anew()
    record("model", params=2)
    assert begins_anew()


def test_all_outputs_of_a_stage_must_be_recorded():
    snapshots = Snapshots("train/model")
    list(fit(linear(), task(vectors), PLAN, snapshots=snapshots))
    for name in ("global", "local"):
        Path(name).write_text(name)
    snapshots.finish(Path("global"), Path("local"))
    del snapshots
    record("global")
    assert not begins_anew()
    record("global", "local")
    assert begins_anew()


@pytest.mark.parametrize("lock", ["", "stages:", "stages: [", "schema: '2.0'\n"])
def test_a_lock_file_that_says_nothing_has_recorded_nothing(lock):
    end("model")
    Path("dvc.lock").write_text(lock)
    assert not begins_anew()


def test_the_next_stage_removes_what_has_been_recorded_before_it():
    end("global", name="train_global/model")
    end("local", name="train_local/model")
    record("global")
    stop(name="train_fusion/model")
    assert not kept("train_global/model")
    assert len(kept("train_local/model")) == 1
    assert {path.suffix for path in Path(".ckpt/train_global/model").iterdir()} == set()


def test_another_training_of_its_name_removes_one_that_has_ended():
    end("model", "these params")
    (first,) = kept()
    stop("other params")
    assert not first.exists()
    assert begins_anew("these params")


def test_but_not_one_that_was_stopped_or_is_of_another_name():
    stop("stopped")
    end("model", "another member", name="train/second")
    stop("new")
    assert len(kept()) == 2
    assert not begins_anew("another member", name="train/second")


def test_nor_one_whose_process_still_writes_its_outputs():
    lives = end("model", "these params")
    stop("other params")
    assert len(kept()) == 2
    del lives
    stop("other params")
    assert len(kept()) == 1


def test_of_a_training_that_has_ended_only_its_best_weights_are_kept():
    stop()
    whole = state_of(*kept())
    end("model")
    slim = state_of(*kept())
    assert {"network", "optimizer", "best"} <= whole.keys()
    assert slim.keys() == {"best", "epochs", "micro_batch", "threads"}


def state_of(path):
    content = path.read_bytes()[module._DIGEST :]
    return torch.load(io.BytesIO(content), weights_only=True)["state"]


def test_what_another_machine_is_writing_is_left_alone(tmp_path):
    other = tmp_path / ".ckpt/train_local/model"
    other.mkdir(parents=True)
    writing = other / f".x.pt.{2**22 + 1}.partial"
    writing.touch()
    stop()
    assert writing.exists()


CODE = """
import sys
from pathlib import Path
import pipeline
from pipeline.training.records import snapshots
import pipeline.networks.branch, pipeline.tracking.spool
root = Path(pipeline.__path__[0])
before = snapshots._code_digest()
for name in sys.argv[1:]:
    file = root / name
    file.write_text(file.read_text() + "# edited\\n")
    print(name, snapshots._code_digest() != before)
    before = snapshots._code_digest()
"""


def test_code_of_every_room_that_is_loaded_decides_on_a_snapshot_and_what_only_speaks_does_not(
    tmp_path,
):
    shutil.copytree(REPO / "pipeline", tmp_path / "pipeline")
    names = ["networks/branch.py", "base/files.py", "training/records/snapshots.py",
             "tracking/spool.py", "errors.py", "base/listing.py"]  # fmt: skip
    command = [sys.executable, "-c", CODE, *names]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = dict(line.split() for line in done.stdout.splitlines())
    assert [name for name in names if found[name] == "True"] == names[:3]
