"""The same configuration under several seeds, by DVC's real queue."""

import os
import re
import subprocess
import time

import pytest

from pipeline.experiments.queue import read_status
from tests.stages.conftest import CXR, run
from tests.stages.queues import kill_workers, workers_stopped
from tests.stages.toy import PYTHON, cohort_of, make_toy, toy

pytestmark = pytest.mark.slow

SEEDS = (*CXR, "seeds", "--count")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with workers_stopped(make_toy(tmp_path_factory.mktemp("seeds"))) as made:
        yield made


def experiments(folder):
    """Commits of experiments by seed."""
    listed = run(
        "git", "for-each-ref", "--format=%(refname) %(objectname)", "refs/exps", cwd=folder
    )
    words = [line.rpartition("/")[2].split() for line in listed.stdout.splitlines()]
    return {int(name.split("-")[1]): commit for name, commit in words if name.startswith("seed-")}


def refused(folder, *command):
    """Exit code, output and complaint of a command that must fail."""
    with pytest.raises(AssertionError) as raised:
        toy(folder, *command)
    return str(raised.value)


def test_seeds_are_run_once_and_what_failed_is_named_and_tried_again(folder):
    (folder / "fail").write_text("8")
    said = refused(folder, *SEEDS, "2")
    assert "1 seed: 7" in said
    assert "seed 8 is not finished; why: dvc queue logs seed-8-" in said
    assert list(experiments(folder)) == [7]

    (folder / "fail").unlink()
    report = toy(folder, *SEEDS, "2", "--jobs", "2").stdout
    first = experiments(folder)
    assert sorted(first) == [7, 8]
    assert report.startswith("2 seeds: 7, 8\n")
    (row,) = [line for line in report.splitlines() if line.startswith("  ensemble")]
    assert row.split()[:6] == ["ensemble", "0.607", "0.001", "0.607", "to", "0.608"]

    report = toy(folder, *SEEDS, "3").stdout
    assert report.startswith("3 seeds: 7, 8, 9\n")
    assert experiments(folder).items() > first.items()  # neither was run again

    assert "seed: 7" in (folder / "params.yaml").read_text()
    assert run("git", "status", "--porcelain", cwd=folder).stdout == ""


def test_a_worker_that_was_killed_is_missed_and_the_advice_helps(folder):
    (folder / "wait").touch()
    waiting = subprocess.Popen([*SEEDS, "4"], cwd=folder, env=os.environ | PYTHON)
    until = time.monotonic() + 120
    while not (running := read_status(run("dvc", "queue", "status", cwd=folder).stdout).running):
        assert time.monotonic() < until
        time.sleep(1)
    waiting.kill()  # workers go on
    waiting.wait()
    (name,) = running
    kill_workers(folder)
    (folder / "wait").unlink()

    said = refused(folder, *SEEDS, "4")
    assert f"{name}: counts as running, but its worker was killed" in said
    advice = re.search(r"(dvc queue kill \S+); .*?(rm -r \S+);", said)
    for command in advice.groups():
        run(*command.split(), cwd=folder)
    assert toy(folder, *SEEDS, "4").stdout.startswith("4 seeds: 7, 8, 9, 10\n")


def test_an_experiment_that_dvc_cannot_read_is_named_and_the_advice_helps(folder):
    toy(folder, *SEEDS, "2")
    listed = run("git", "for-each-ref", "--format=%(refname)", "refs/exps", cwd=folder).stdout
    (ref,) = [name for name in listed.split() if "/seed-8-" in name]
    spoil(folder, ref)
    said = refused(folder, *SEEDS, "2")
    assert "DVC cannot read what is there" in said
    advice = re.search(r"(dvc exp remove \S+);", said)
    run(*advice[1].split(), cwd=folder)
    assert toy(folder, *SEEDS, "2").stdout.startswith("2 seeds: 7, 8\n")


def test_seeds_of_which_the_data_are_not_the_same_are_refused(folder):
    assert toy(folder, *SEEDS, "2").stdout.startswith("2 seeds: 7, 8\n")
    cohort_of(folder).write_text("other radiographs")
    run("dvc", "exp", "remove", seed_of(folder, 8), cwd=folder)
    said = refused(folder, *SEEDS, "2")
    assert f"{cohort_of(folder)} was not the same for all seeds" in said
    assert "mean AUROC" not in said
    cohort_of(folder).write_text("radiographs")
    run("dvc", "exp", "remove", seed_of(folder, 8), cwd=folder)
    assert toy(folder, *SEEDS, "2").stdout.startswith("2 seeds: 7, 8\n")


def seed_of(folder, seed):
    """Name of the experiment of a seed."""
    listed = run("git", "for-each-ref", "--format=%(refname:lstrip=-1)", "refs/exps", cwd=folder)
    (name,) = [one for one in listed.stdout.split() if one.startswith(f"seed-{seed}-")]
    return name


def spoil(folder, ref):
    """The experiment's commit is one of which dvc.yaml is none."""

    def git(*words, **more):
        return run("git", *words, cwd=folder, **more).stdout.strip()

    env = {"GIT_INDEX_FILE": str(folder / ".git/spoilt")}
    (folder / ".git/broken").write_text("stages: [\n")
    blob = git("hash-object", "-w", ".git/broken")
    git("read-tree", ref, **env)
    git("update-index", "--cacheinfo", f"100644,{blob},dvc.yaml", **env)
    tree = git("write-tree", **env)
    git("update-ref", ref, git("commit-tree", tree, "-p", f"{ref}^", "-m", "broken"))


def test_code_that_is_not_committed_is_refused(folder):
    text = (folder / "dvc.yaml").read_text()
    (folder / "dvc.yaml").write_text(text + "# changed\n")
    said = refused(folder, *SEEDS, "2")
    (folder / "dvc.yaml").write_text(text)
    assert "commit it first" in said
    assert "dvc.yaml" in said
