"""`dvc repro`, a temporary experiment and a queue at work in one checkout, all at once."""

import json

import pytest
from waiting import becomes_true

from pipeline.experiments.queue import read_status
from tests.stages.conftest import attempt, run
from tests.stages.killed import begin, kill, said
from tests.stages.queues import work_off, workers_stopped
from tests.stages.toy import PYTHON, make_toy, toy

pytestmark = pytest.mark.slow

AUROC = "metrics/evaluate.json"


@pytest.fixture
def busy(tmp_path):
    """A checkout in which `dvc repro` is at its first stage, until the file `wait` is gone."""
    (tmp_path / "toy").mkdir()
    folder = make_toy(tmp_path / "toy")
    (folder / "wait").touch()
    repro = begin(["dvc", "repro", "--force"], folder, log="data/repro", **PYTHON)
    assert becomes_true(lambda: "> python toy.py train" in said(folder, "data/repro"), within_s=60)
    yield folder, repro
    (folder / "wait").unlink(missing_ok=True)
    kill(repro)


def auroc_of(folder, experiment):
    refs = run("git", "for-each-ref", "--format=%(refname)", "refs/exps", cwd=folder).stdout
    (ref,) = [name for name in refs.split() if name.endswith(f"/{experiment}")]
    return json.loads(run("git", "show", f"{ref}:{AUROC}", cwd=folder).stdout)["auroc"]


def test_a_second_repro_says_who_is_at_the_stage_and_the_first_loses_nothing(busy):
    folder, first = busy
    second = attempt("dvc", "repro", "--force", cwd=folder, **PYTHON)
    assert second.returncode != 0
    assert "data/weights' is busy, it is being blocked by" in second.stderr
    assert str(first.pid) in second.stderr
    (folder / "wait").unlink()
    assert first.wait(120) == 0, said(folder, "data/repro")
    assert "up to date" in toy(folder, "dvc", "status").stdout
    assert run("git", "status", "--porcelain", cwd=folder).stdout == ""


def test_a_temporary_experiment_and_a_queue_beside_a_repro_all_end_with_their_own_results(busy):
    folder, repro = busy
    # Each with a seed of its own, which its score tells.
    experiment = ["dvc", "exp", "run", "--temp", "-n", "beside", "-S", "seed=8"]
    beside = begin(experiment, folder, log="data/beside", **PYTHON)
    try:
        toy_runs = "> python toy.py train"
        assert becomes_true(lambda: toy_runs in said(folder, "data/beside"), within_s=60)
        toy(folder, "dvc", "exp", "run", "--queue", "-n", "queued", "-S", "seed=9")
        with workers_stopped(folder):
            run("sh", "-c", "dvc queue start > .dvc/tmp/start 2>&1", cwd=folder, **PYTHON)
            status = ["dvc", "queue", "status"]
            assert becomes_true(
                lambda: read_status(run(*status, cwd=folder).stdout).running, within_s=120
            )
            (folder / "wait").unlink()
            assert repro.wait(120) == 0, said(folder, "data/repro")
            assert beside.wait(120) == 0, said(folder, "data/beside")
            work_off(folder, jobs=1, timeout_s=300, **PYTHON)
    finally:
        kill(beside)
    assert json.loads((folder / AUROC).read_text())["auroc"] == 0.607
    assert auroc_of(folder, "beside") == 0.608
    assert auroc_of(folder, "queued") == 0.609
    assert "up to date" in toy(folder, "dvc", "status").stdout
    assert run("git", "status", "--porcelain", cwd=folder).stdout == ""
