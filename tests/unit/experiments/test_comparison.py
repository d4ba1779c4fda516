"""Experiments at a glance: read from what DVC prints, nobody's figures under another's name."""

import json

import pytest

from pipeline.errors import ExperimentError
from pipeline.experiments.comparison import SORTS, backbones, baselines, changes, compare
from pipeline.experiments.exp_show import read_shown

FIGURES = {
    "auroc": 0.792, "auroc_low": 0.775, "auroc_high": 0.807,
    "gain": 0.039, "gain_low": -0.027, "gain_high": 0.049,
}  # fmt: skip
IOU = {"iou": 0.035, "iou_low": 0.029, "iou_high": 0.04}


def row(rev, name, *, auroc=0.792, error=None, **model):
    pair = {"global": "mobilenet_v2", "local": "resnet18"} | model
    second = {"global": "resnet18", "local": "resnet18"}
    ensemble = {"members": ["model", "second", "third"]}
    params = {"seed": 7, "model": pair, "second": second, "third": second, "ensemble": ensemble}
    metrics = {
        "metrics/evaluate.json": {"data": FIGURES | {"auroc": auroc}},
        "metrics/iou.json": {"data": IOU},
    }
    data = {"params": {"params.yaml": {"data": params}}, "metrics": metrics}
    return {"rev": rev, "name": name, "data": data, "error": error, "experiments": None}


def experiment(of, state=None):
    """`state`: as DVC has it; none of what ran outside the queue."""
    executor = state and {"state": state, "name": "dvc-task", "local": {}}
    return {"name": of["name"], "revs": [of], "executor": executor}


def shown(*experiments, workspace=0.792):
    commit = row("a" * 40, "main") | {"experiments": [*experiments]}
    return read_shown(json.dumps([row("workspace", None, auroc=workspace), commit]))


DONE = experiment(row("b" * 40, "hilly-yawl", auroc=0.799, **{"global": "resnet18"}), "success")
PLAIN = experiment(row("c" * 40, "lower", auroc=0.5))
WAITS = experiment(row("d" * 40, "waits") | {"data": {"params": {}, "metrics": {}}}, "queued")
RUNS = experiment(row("e" * 40, "runs"), "running")
FAILED = experiment(row("f" * 40, "broken", error={"msg": "failed", "type": ""}), "failed")


def line(table, name):
    (found,) = [one for one in table.splitlines() if one.split()[:1] == [name]]
    return found


def words(row):
    return [word.strip() for word in row.split("  ") if word.strip()]


def test_a_row_tells_what_an_experiment_changed_reached_and_cost():
    table = compare(shown(DONE), {("hilly-yawl", "a" * 40): 2.75})
    assert words(line(table, "hilly-yawl")) == [
        "hilly-yawl", "0.799 (0.775-0.807)", "+0.039 (-0.027 to +0.049)", "0.035 (0.029-0.040)",
        "2.8", "model.global=resnet18", "3 x resnet18",
    ]  # fmt: skip
    assert line(table, "main").endswith("mobilenet_v2/resnet18 + 2 x resnet18")


@pytest.mark.parametrize("one", [RUNS, FAILED], ids=["running", "failed"])
def test_what_is_not_finished_has_no_figures_of_its_baseline(one):
    """DVC shows those of the commit that it started from as if they were its own."""
    (_, _, read) = shown(one)
    assert read.figures == {}
    assert line(compare(shown(one), {}), read.name).split()[1:3] == [read.state, "-"]


def test_what_waits_or_failed_says_what_to_type():
    table = compare(shown(WAITS, FAILED), {})
    assert "Why broken failed: dvc queue logs broken" in table
    assert "dvc queue start" in table
    assert "dvc queue" not in compare(shown(DONE), {})


def test_minutes_of_another_commit_s_experiment_of_that_name_are_not_its_own():
    assert words(line(compare(shown(PLAIN), {("lower", "a" * 40): 1.5}), "lower"))[4] == "1.5"
    assert words(line(compare(shown(PLAIN), {("lower", "b" * 40): 1.5}), "lower"))[4] == "-"


def test_the_workspace_is_a_row_only_if_nobody_else_has_its_results():
    assert "workspace" not in compare(shown(DONE), {})
    assert "0.650" in line(compare(shown(DONE, workspace=0.65), {}), "workspace")


def test_the_best_stand_first_behind_their_commit_and_the_unknown_last():
    table = compare(shown(RUNS, PLAIN, DONE), {}, sort="auroc")
    names = [one.split()[0] for one in table.splitlines()[1:5]]
    assert names == ["main", "hilly-yawl", "lower", "runs"]


@pytest.mark.parametrize("sort", SORTS)
def test_everything_can_be_sorted_by(sort):
    assert compare(shown(RUNS, DONE), {}, sort=sort).splitlines()[1].startswith("main")


def test_an_unknown_order_names_the_known():
    with pytest.raises(ExperimentError, match=r"'acc'.*auroc, gain, iou, minutes"):
        compare(shown(DONE), {}, sort="acc")


def test_a_commit_that_dvc_cannot_read_is_a_row_without_figures():
    broken = {"rev": "a" * 40, "name": "main", "data": None, "experiments": None}
    read = read_shown(json.dumps([broken | {"error": {"msg": "unable to read", "type": "X"}}]))
    table = compare(read, {})
    assert line(table, "main").split() == ["main", "unreadable", "-", "-", "-", "-"]
    assert "Why main is unreadable: unable to read" in table.splitlines()


def test_commits_are_named_for_the_search_of_their_minutes():
    assert baselines(shown(DONE)) == ["a" * 40]


def test_changes_are_few_and_the_rest_is_counted():
    start = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    assert changes(start, start) == ""
    assert changes(start | {"a": 2, "f": 0}, start) == "a=2, f=0"
    assert changes({}, {"a": 1}) == "no a"
    assert changes(dict.fromkeys(start, 0), start) == "a=0, b=0, c=0, and 2 more"


def test_backbones_are_of_the_members_that_vote():
    params = {"model.global": "a", "model.local": "b", "other.global": "c", "other.local": "c"}
    assert backbones(params | {"ensemble.members": ["model"]}) == "a/b"
    assert backbones(params | {"ensemble.members": ["model", "other"]}) == "a/b + c"
