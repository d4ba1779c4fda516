"""What a search may try and needs is what the graph says."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from pipeline.errors import ArtifactError
from pipeline.search import scope as module
from pipeline.search.scope import digests, expect_current, read_scope

REPO = Path(__file__).parents[3]

KINDS = ("model", "features", "predictions", "curves")

NEEDED = {
    "global": (["split"], {"images", "index", "splits"}),
    "local": (["extract_crops@model"], {"crops", "global-model", "index", "splits"}),
    "fusion": (
        ["train_local@model"],
        {"index", "splits"}
        | {f"{branch}-{kind}" for branch in ("global", "local") for kind in KINDS},
    ),
}

TRIED = {
    "global": {"seed", "model.global", "model.weights.global", "train.ema", "global.epochs"},
    "local": {"model.local", "model.weights.local", "local.epochs"},
    "fusion": {"fusion.epochs"},
}


@pytest.mark.parametrize("branch", NEEDED)
def test_a_branch_needs_what_its_stage_reads(branch):
    scope = read_scope(branch, REPO)
    targets, options = NEEDED[branch]
    assert scope.targets() == targets
    assert set(scope.inputs()) == options


@pytest.mark.parametrize("branch", TRIED)
def test_what_may_be_tried_is_what_its_stage_reads_and_none_before_it(branch):
    scope = read_scope(branch, REPO)
    every = set().union(*TRIED.values()) | {
        "crop.input_size",
        "phantom.seed",
        "ingest.image_size",
        "iou.threshold",
    }
    assert {key for key in every if not scope.why_not(key)} == TRIED[branch]


def test_radiographs_from_outside_the_graph_are_read_by_no_stage_before(tmp_path):
    own = yaml.safe_load((REPO / "params.yaml").read_text())
    own["ingest"]["source"] = "/somewhere/nih"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(own))
    shutil.copy(REPO / "dvc.yaml", tmp_path)
    Repo.init(str(tmp_path), no_scm=True)
    scope = read_scope("global", tmp_path)
    assert [stage.target for stage in scope.before] == ["ingest", "split"]
    assert "is nothing to" in scope.why_not("phantom.patients")


def test_a_lock_of_no_run_yet_has_digests_of_nothing(tmp_path):
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\n")
    scope = read_scope("global", REPO)
    assert digests(scope, tmp_path) == {str(path): "" for path in scope.inputs().values()}


@pytest.mark.parametrize("branch", NEEDED)
def test_data_that_are_not_up_to_date_are_named_with_what_makes_them(monkeypatch, branch):
    """As DVC says it, whose process takes seconds; what pretrains cascades is no matter."""
    said, asked = {"check": [], "ingest": [], "split": [], "pretrain_capsnet": []}, []
    monkeypatch.setattr(
        module, "dvc", lambda *words, root: asked.append(words) or json.dumps(said)
    )
    scope, (targets, _) = read_scope(branch, REPO), NEEDED[branch]
    with pytest.raises(ArtifactError) as caught:
        expect_current(scope, REPO)
    assert str(caught.value) == (
        "what trials read is missing or not up to date (ingest, split); first run: "
        f"dvc repro {targets[0]}"
    )
    assert asked == [("status", "--json", "--with-deps", targets[0])]
    del said["ingest"], said["split"]
    expect_current(scope, REPO)
