"""The queue: several experiments at a time, their runs in a store that was not there before."""

import json
import shutil

import pytest

from pipeline.graph.reruns import find_reruns
from tests.stages.conftest import CXR, commit, run
from tests.stages.queues import tracked, work_off, workers_stopped
from tests.stages.toy import PYTHON, make_toy, toy

pytestmark = pytest.mark.slow


def shown(folder):
    """State, mean AUROC and params of each experiment by its name, as `dvc exp show` has them."""
    (_, here) = json.loads(run("dvc", "exp", "show", "--json", cwd=folder).stdout)
    return {one["revs"][0]["name"]: one for one in here["experiments"] or []}


def by_backbone(experiments):
    rows = [one["revs"][0] for one in experiments.values()]
    return {row["data"]["params"]["params.yaml"]["data"]["model"]["global"]: row for row in rows}


def expect_both(folder, other, before):
    """What one command queued is there, one of the two being what was committed."""
    rows = by_backbone({name: one for name, one in shown(folder).items() if name not in before})
    assert set(rows) == {other, "mobilenet_v2"}
    aurocs = {
        k: row["data"]["metrics"]["metrics/evaluate.json"]["data"]["auroc"]
        for k, row in rows.items()
    }
    committed = json.loads(run("git", "show", "HEAD:metrics/evaluate.json", cwd=folder).stdout)
    assert aurocs["mobilenet_v2"] == committed["auroc"] != aurocs[other]
    return rows[other]["name"]


@pytest.mark.xdist_group("pipeline")
def test_two_backbones_are_queued_and_run_at_a_time(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    other = "mobilenet_v3"  # which no other test trains here: the run cache does not know it
    both = f"model.global={other},mobilenet_v2"
    before = set(shown(folder))  # other tests' experiments
    run("dvc", "exp", "run", "--queue", "-S", both, cwd=folder)
    with workers_stopped(folder):
        work_off(folder, jobs=2, timeout_s=3000)
    changed = expect_both(folder, other, before)
    stages = tracked(folder)
    assert list(stages) == [changed]  # the other one's stages were all skipped
    expected = find_reruns(folder)["model.global"]
    assert sorted(stages[changed]) == sorted(stage.replace("@", " ") for stage in expected)


@pytest.fixture(scope="module")
def queued(tmp_path_factory):
    """A toy graph whose queue held two backbones and one that there is not."""
    folder = make_toy(tmp_path_factory.mktemp("queue"))
    toy(folder, "dvc", "exp", "run", "--queue", "-S", "model.global=resnet18,mobilenet_v2")
    toy(folder, "dvc", "exp", "run", "--queue", "-n", "broken", "-S", "model.global=nosuch")
    with workers_stopped(folder):
        work_off(folder, jobs=2, timeout_s=600, **PYTHON)
    return folder


def test_every_experiment_s_stages_are_nested_in_its_run(queued):
    rows = by_backbone(shown(queued))
    names = {rows["resnet18"]["name"]: ["train", "evaluate"], "broken": ["train"]}
    assert tracked(queued) == names


def test_the_table_has_figures_and_minutes_of_what_is_finished_and_why_of_what_is_not(queued):
    table = toy(queued, *CXR, "compare", "--sort", "auroc").stdout
    head, commit_row, best, same, failed, *rest = table.splitlines()
    name = by_backbone(shown(queued))["resnet18"]["name"]
    assert head.split()[:2] == ["experiment", "AUROC"]
    assert commit_row.split()[:3] == ["main", "0.607", "(0.587-0.627)"]
    assert best.split()[:3] == [name, "0.707", "(0.687-0.727)"]
    assert best.split()[-4] == "model.global=resnet18"
    assert float(best.split()[-5]) >= 0  # minutes
    assert same.split()[1:3] == commit_row.split()[1:3]
    assert failed.split()[:5] == ["broken", "failed", "-", "-", "0.0"]
    assert "Why broken failed: dvc queue logs broken" in rest
    log = toy(queued, "dvc", "queue", "logs", "broken").stdout
    assert "KeyError: 'nosuch'" in log


def test_an_experiment_is_applied_becomes_a_branch_and_goes(queued, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(queued, folder, symlinks=True)
    name = by_backbone(shown(folder))["resnet18"]["name"]
    toy(folder, "dvc", "exp", "branch", name, "wider")
    toy(folder, "dvc", "exp", "apply", name)
    assert "global: resnet18" in (folder / "params.yaml").read_text()
    assert json.loads((folder / "metrics/evaluate.json").read_text())["auroc"] == 0.707
    assert (folder / "data/weights").read_text() == "0.707"
    assert "up to date" in toy(folder, "dvc", "status").stdout
    assert run("git", "diff", "--stat", "wider", cwd=folder).stdout == ""
    commit(folder)
    assert run("git", "log", "-1", "--format=%s", "wider", cwd=folder).stdout.startswith("dvc: ")
    toy(folder, "dvc", "exp", "remove", name)
    assert name not in toy(folder, "dvc", "exp", "list", "--all").stdout
    toy(folder, "dvc", "queue", "remove", "--failed")
    assert "broken" not in toy(folder, "dvc", "queue", "status").stdout
