"""What a change runs again: the table of docs/pipeline.md against the answers of DVC itself."""

import subprocess
from copy import deepcopy
from pathlib import Path
from typing import get_args

import dvc.dependency.param
import pytest
import yaml
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

from pipeline.errors import ArtifactError, ParamsError
from pipeline.graph.reruns import (
    MARKERS,
    PAGE,
    find_reruns,
    idle_stages,
    render_reruns,
    rewrite_reruns,
)
from pipeline.params import names
from pipeline.params.whole import load_params, parse_params
from pipeline.tracking.origin import flatten
from tests.stages.conftest import merge

REPO = Path(__file__).parents[3]
PARAMS = yaml.safe_load((REPO / "params.yaml").read_text())
LEAVES = list(flatten(PARAMS))

# In params.yaml a few leaves cannot change alone: a local branch that starts as the global one
# reads no weights, one epoch is not two of which one is for the head, and attention has no four
# windows.
BASE = merge(
    deepcopy(PARAMS), {"local": {"start": "weights", "epochs": 2}, "crop": {"windows": 1}}
)

WORDS = [
    word
    for kind in (
        names.HeatmapMethod, names.HeatmapLayer, names.RegionRule, names.LossName,
        names.FusionHead, names.ScheduleName, names.KeepRule, names.CalibrationMethod,
        names.VoteRule, names.PoolingName,
    )
    for word in get_args(kind)
] + [
    *names.BACKBONES, "none", "imagenet", "weights", "global", "fail", "skip", "on", "off", "auto",
    "fp32", "bf16", "fractions", "data/elsewhere", "rsna", "zeros", 2, 16, 0.5,
]  # fmt: skip


def others(value):
    """Values of the same kind, one of which params may admit in its place."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, 2 * value, value // 2, 8]
    if isinstance(value, float):
        return [0.9 * value, 0.5]
    if isinstance(value, list):
        more = ([*value, one] for one in ("file.parquet", "model", "layercam"))
        return [[*value[:1], *value[:0:-1]], value[:-1], *more]
    return WORDS


def replaced(leaf, value):
    """`BASE` with another value of one leaf."""
    *parents, last = leaf.split(".")
    change = {last: value}
    for parent in reversed(parents):
        change = {parent: change}
    return merge(deepcopy(BASE), change)


def is_valid(values):
    try:
        parse_params(values)
    except ParamsError:
        return False
    return True


def another(leaf):
    """`BASE` with the first other value of one leaf that is valid."""
    was = flatten(BASE)[leaf]
    tried = (replaced(leaf, value) for value in others(was) if value != was)
    return next(values for values in tried if is_valid(values))


@pytest.fixture(scope="module")
def changes():
    """By leaf, all params with another value of it."""
    return {leaf: another(leaf) for leaf in LEAVES}


@pytest.fixture(scope="module")
def reruns():
    return find_reruns(REPO)


@pytest.fixture(scope="module")
def index():
    """DVC's own reading of dvc.yaml."""
    return Repo(str(REPO)).index


def test_every_leaf_has_another_valid_value_and_nothing_else_changes(changes):
    before = flatten(BASE)
    for leaf in LEAVES:
        after = flatten(changes[leaf])
        assert after.keys() == before.keys()
        assert [key for key in after if after[key] != before[key]] == [leaf]


def test_every_leaf_s_change_runs_what_dvc_says(changes, reruns, index, monkeypatch):
    """DVC compares what each stage has recorded with params of which one leaf is changed."""
    now = {"values": BASE}
    monkeypatch.setattr(dvc.dependency.param, "load_path", lambda *args, **kwargs: now["values"])
    watched = [
        (stage.addressing, dep)
        for stage in index.stages
        for dep in stage.deps
        if isinstance(dep, ParamsDependency)
    ]
    for _, dep in watched:
        dep.save()
    assert not [stage for stage, dep in watched if dep.workspace_status()]
    after = {
        stage.addressing: {other.addressing for other in index.graph.predecessors(stage)}
        for stage in index.stages
    }
    silent = {"check", *idle_stages(load_params(REPO / "params.yaml"))}
    assert reruns.keys() == changes.keys()
    for leaf in LEAVES:
        now["values"] = changes[leaf]
        run = {stage for stage, dep in watched if dep.workspace_status()}
        assert "check" in run, leaf
        while more := {s for name in run - silent for s in after[name]} - run:
            run |= more
        assert set(reruns[leaf]) == run - {"check"}, leaf


def test_without_a_cascade_no_capsnet_is_pretrained_and_with_one_it_is():
    cascade = merge(deepcopy(PARAMS), {"second": {"local": "resnet18_capsnet"}})
    assert idle_stages(parse_params(cascade)) == []
    assert idle_stages(parse_params(PARAMS)) == ["pretrain_capsnet"]


def test_the_page_s_table_is_current(reruns):
    git = ["git", "diff", "--quiet", "HEAD", "--", "params.yaml"]
    if subprocess.run(git, cwd=REPO, check=False).returncode:
        pytest.skip("params.yaml is not as committed, so the table is of another graph")
    page = (REPO / PAGE).read_text()
    table = render_reruns(reruns, PARAMS["ensemble"]["members"])
    assert rewrite_reruns(page, table) == page, "make graph"


EXAMPLE = {
    "a.x": ("join",),
    "a.y": ("join",),
    "b.x": ("make", "one@m", "one@n", "join"),
    "b.y": ("join",),
    "m.k": ("one@m", "two@m", "join"),
    "n.k": ("one@n", "two@n", "join"),
    "m.l": ("two@m",),
    "n.l": ("two@n", "join"),
    "m.h": ("two@m",),
    "n.h": ("two@n", "join"),
    "c": (),
}


def test_rows_are_shared_by_leaves_and_members_of_which_the_same_holds():
    assert render_reruns(EXAMPLE, ["m", "n"]).splitlines()[2:] == [
        "| `c` | nothing |",
        "| `a.*`, `b.y` | `join` |",
        "| `m.l`, `m.h` | its `two` |",  # not `m.*`, since `m.k` is of another row
        "| `n.l`, `n.h` | its `two`; `join` |",
        "| `<member>.k` | its `one`, `two`; `join` |",
        "| `b.x` | `make`; every `one`; `join` |",
    ]


def test_only_what_is_between_the_markers_is_written():
    first, last = MARKERS
    before = f"text\n{first}\nold\n{last}\nmore\n"
    once = rewrite_reruns(before, "| new |")
    assert once == f"text\n{first}\n\n| new |\n\n{last}\nmore\n"
    assert rewrite_reruns(once, "| new |") == once


@pytest.mark.parametrize("text", ["", f"{MARKERS[1]}\n{MARKERS[0]}\n", f"{MARKERS[0]}\n" * 2])
def test_a_page_without_a_place_for_the_table_is_refused(text):
    with pytest.raises(ArtifactError, match=r"docs/pipeline\.md: expected a line <!-- Written"):
        rewrite_reruns(text, "| new |")
