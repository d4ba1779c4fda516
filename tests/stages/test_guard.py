"""What a stage depends on, edited while it runs: it fails, and DVC records nothing."""

import os
import shutil
import signal
import sys
import time
from contextlib import contextmanager, suppress

import psutil
import pytest
import yaml
import zc.lockfile

from tests.stages.conftest import attempt, run
from tests.stages.slow_stage import (
    COMMAND,
    ended,
    finish,
    make_checkout,
    make_training,
    start,
    with_dvc,
)


@pytest.fixture
def checkout(tmp_path):
    return make_checkout(tmp_path)


def write(path, text):
    path.write_text(text)


def set_param(folder, section, key, value):
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params[section][key] = value
    write(folder / "params.yaml", yaml.safe_dump(params))


def replace(path, text):
    """As every stage writes: beside its place, and renamed; size and time may stay the same."""
    before = path.stat()
    fresh = path.with_name("fresh")
    fresh.write_text(text)
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(path)


CHANGES = {
    "a param": (
        lambda folder: set_param(folder, "train", "batch_size", 77),
        r"params.yaml: train.batch_size (was 16, now 77)",
    ),
    "params.yaml is gone": (lambda folder: (folder / "params.yaml").unlink(), "params.yaml: seed"),
    "params.yaml is half written": (
        lambda folder: write(folder / "params.yaml", "seed: [1"),
        "params.yaml: seed",
    ),
    "code": (
        lambda folder: write(folder / "pipeline/base/seeds.py", "#"),
        "pipeline/base/seeds.py",
    ),
    "code is gone": (lambda folder: (folder / "stages/wait.py").unlink(), "stages/wait.py (gone)"),
    "a file": (lambda folder: replace(folder / "data/table.csv", "other"), "data/table.csv"),
    "a folder's file": (
        lambda folder: write(folder / "data/source/a.npy", "bb"),
        "data/source/a.npy",
    ),
    "another file": (
        lambda folder: write(folder / "data/source/b.npy", "b"),
        "data/source/b.npy (new)",
    ),
    "an input is gone": (
        lambda folder: shutil.rmtree(folder / "data/source"),
        "data/source/a.npy (gone)",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_stage_fails_when_what_it_depends_on_changed_while_it_ran(checkout, change):
    edit, named = CHANGES[change]
    process = start(*COMMAND, folder=checkout)
    edit(checkout)
    code, said = finish(process, checkout)
    assert code == 1
    assert f"error: wait: changed while it ran: {named}" in said
    assert said.count("\n") == 1


NO_CHANGES = {
    "nothing": lambda folder: None,
    "another param": lambda folder: set_param(folder, "train", "input_size", 77),
    "another section": lambda folder: set_param(folder, "split", "val_fraction", 0.3),
    "a comment": lambda folder: write(
        folder / "params.yaml", "# why\n" + (folder / "params.yaml").read_text()
    ),
    "other code": lambda folder: write(folder / "pipeline/base/findings.py", "#"),
    "code to and fro": lambda folder: write(
        folder / "pipeline/base/seeds.py", (folder / "pipeline/base/seeds.py").read_text()
    ),
    "what another process is writing": lambda folder: write(
        folder / "data/source/.b.npy.1.partial", "b"
    ),
}


@pytest.mark.parametrize("change", NO_CHANGES)
def test_it_does_not_fail_for_what_it_does_not_depend_on(checkout, change):
    process = start(*COMMAND, folder=checkout)
    NO_CHANGES[change](checkout)
    assert finish(process, checkout) == (0, "")


def test_nor_where_there_is_no_graph(checkout):
    (checkout / "dvc.yaml").unlink()
    process = start(*COMMAND, folder=checkout)
    set_param(checkout, "train", "batch_size", 77)
    assert finish(process, checkout) == (0, "")


def test_code_that_was_edited_while_python_read_it_is_refused_at_once(checkout):
    """The stage's own first line does what an editor may do at that moment."""
    stage = checkout / "stages/wait.py"
    edit = "import pathlib; pathlib.Path('pipeline/base/seeds.py').touch()\n"
    stage.write_text(edit + stage.read_text())
    done = attempt(*COMMAND, cwd=checkout)
    assert done.returncode == 1
    assert (
        done.stderr
        == "error: wait: edited while it started: pipeline/base/seeds.py; run it again\n"
    )


def test_what_dvc_would_have_recorded_for_the_old_params_is_run_again(checkout):
    """DVC itself hashes params when a stage has ended, and would call the next one up to date."""
    folder = with_dvc(checkout)
    process = start("dvc", "--wait-for-lock", "repro", folder=folder)
    set_param(folder, "train", "batch_size", 77)
    code, said = finish(process, folder)
    assert code != 0
    assert "changed while it ran: params.yaml: train.batch_size (was 16, now 77)" in said
    assert not (folder / "dvc.lock").exists()
    assert "batch_size: 16" in (folder / "data/out").read_text()  # of the old params
    done = run("dvc", "repro", cwd=folder)
    assert "Running stage 'wait'" in done.stdout
    assert "batch_size: 77" in (folder / "data/out").read_text()
    # the params go back to what dvc.lock has, and not to what the outputs follow from
    set_param(folder, "train", "batch_size", 16)
    process = start("dvc", "repro", folder=folder)
    set_param(folder, "train", "batch_size", 77)
    assert finish(process, folder)[0] != 0
    assert "batch_size: 16" in (folder / "data/out").read_text()
    run("dvc", "repro", cwd=folder)
    assert "batch_size: 77" in (folder / "data/out").read_text()
    assert "up to date" in run("dvc", "repro", cwd=folder).stdout


def test_a_second_run_of_a_stage_is_refused_and_told_of_the_first(checkout):
    process = start(*COMMAND, folder=checkout)
    code, said = ended(start(*COMMAND, folder=checkout), checkout)
    assert code == 1
    assert f"error: wait: process {process.pid} since 20" in said
    assert f"kill {process.pid}" in said
    assert finish(process, checkout)[0] == 0
    run(*COMMAND, cwd=checkout)


def test_one_that_was_killed_keeps_nobody_out(checkout):
    process = start(*COMMAND, folder=checkout)
    process.kill()
    process.wait()
    (checkout / "go").touch()
    run(*COMMAND, cwd=checkout)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone ends a child with its parent")
@pytest.mark.parametrize(
    "how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_stage_ends_with_the_dvc_that_started_it_and_the_next_repro_runs(checkout, how):
    folder = with_dvc(checkout)
    process = start("dvc", "repro", folder=folder)
    stage = psutil.Process(int((folder / ".ckpt/running/wait").read_text().split()[0]))
    process.send_signal(how)
    process.wait()
    with suppress(psutil.NoSuchProcess):
        stage.wait(2)
    assert finish(start("dvc", "repro", folder=folder), folder)[0] == 0
    assert (folder / "dvc.lock").exists()


def test_dvc_does_not_run_a_stage_beside_one_that_was_started_by_hand(checkout):
    folder = with_dvc(checkout)
    process = start(*COMMAND, folder=folder)
    code, said = ended(start("dvc", "repro", folder=folder), folder)
    assert code != 0
    assert f"wait: process {process.pid} since" in said
    assert finish(process, folder)[0] == 0


def test_experiments_in_folders_of_their_own_may_run_the_same_stage_at_once(checkout):
    other = checkout / ".dvc/tmp/exps/tmp1"
    shutil.copytree(checkout, other, ignore=shutil.ignore_patterns(".dvc"))
    process = start(*COMMAND, folder=checkout)
    second = start(*COMMAND, folder=other)
    assert finish(second, other) == (0, "")
    assert finish(process, checkout) == (0, "")


@contextmanager
def locked(folder):
    """As a `dvc push` in another shell does while a stage runs, DVC itself having let go."""
    lock = zc.lockfile.LockFile(str(folder / ".dvc/tmp/lock"))
    try:
        yield
    finally:
        lock.close()


@pytest.mark.slow
def test_a_training_that_dvc_could_not_record_ends_in_no_time_when_it_is_repeated(tmp_path):
    folder = with_dvc(make_training(tmp_path))
    process = start("dvc", "repro", folder=folder)
    with locked(folder):
        code, said = finish(process, folder)
    assert code == 255
    assert "Unable to acquire lock" in said
    assert "epoch 3/3" in said
    assert not (folder / "dvc.lock").exists()
    code, said = finish(start("dvc", "repro", folder=folder), folder)
    assert code == 0
    assert "goes on behind epoch 3 of a run that had ended unrecorded" in said
    assert "epoch 1/3" not in said
    assert "brief" in (folder / "dvc.lock").read_text()
    # what is recorded and yet to be run again is trained again, not taken from a snapshot
    code, said = finish(start("dvc", "repro", "--force", folder=folder), folder)
    assert code == 0
    assert "epoch 1/3" in said


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["dvc", "the stage"])
def test_a_training_that_is_asked_to_end_goes_on_from_its_snapshot(tmp_path, whom):
    """SIGTERM, as a cluster sends it before it takes a machine away."""
    folder = with_dvc(make_training(tmp_path))
    process = start("dvc", "repro", folder=folder)
    stage = int((folder / ".ckpt/running/brief").read_text().split()[0])
    os.kill({"dvc": process.pid, "the stage": stage}[whom], signal.SIGTERM)
    assert process.wait(60) != 0
    assert not (folder / "dvc.lock").exists()
    code, said = finish(start("dvc", "repro", folder=folder), folder)
    assert code == 0, said
    assert "goes on behind epoch 3 of a run that was stopped" in said
    assert "epoch 1/3" not in said


def test_a_repro_that_waits_for_the_lock_records_its_stage(checkout):
    folder = with_dvc(checkout)
    process = start("dvc", "--wait-for-lock", "repro", folder=folder)
    with locked(folder):
        (folder / "go").touch()
        while not (folder / "data/out").exists():
            time.sleep(0.02)
        time.sleep(5)  # DVC gives up after 3 s otherwise
        assert process.poll() is None
    code, _ = finish(process, folder)
    assert code == 0
    assert (folder / "dvc.lock").exists()


@pytest.mark.slow
def test_a_torn_dvc_lock_is_brought_back_by_the_copy_that_the_last_stage_kept(checkout):
    folder = with_dvc(checkout)
    (folder / "go").touch()
    run("dvc", "repro", cwd=folder)
    run("dvc", "repro", "--force", cwd=folder)
    lock = (folder / "dvc.lock").read_text()
    (folder / "dvc.lock").write_text("")  # as it is for most of the time that DVC writes it
    torn = attempt("dvc", "repro", cwd=folder)
    assert torn.returncode != 0
    assert "dvc.lock" in torn.stderr
    shutil.copyfile(folder / ".ckpt/dvc.lock.copy", folder / "dvc.lock")
    assert "up to date" in run("dvc", "repro", cwd=folder).stdout
    assert (folder / "dvc.lock").read_text() == lock
