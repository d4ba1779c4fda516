"""Crops travel through DVC remotes: the default folder beside the checkout, and S3."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from benchmarks.s3_server import BUCKET, S3Server, s3_server
from tests.stages.conftest import merge, run, stages_run

pytestmark = pytest.mark.xdist_group("pipeline")  # run once, on one worker

MEMBERS = ("model", "second")


@pytest.fixture(scope="module")
def s3(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server, and a branch `s3` of the finished pipeline whose default remote it is."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        run("git", "checkout", "-q", "-b", "s3", cwd=finished)
        run("dvc", "remote", "add", "-q", "-d", "s3", f"s3://{BUCKET}/crops", cwd=finished)
        run("dvc", "remote", "modify", "s3", "endpointurl", server.endpoint, cwd=finished)
        run("git", "commit", "-qam", "the remote is on S3", cwd=finished)
        run("git", "checkout", "-q", "-", cwd=finished)
        yield server


def colleague(finished: Path, name: str, branch: str | None = None) -> Path:
    """A clone beside the pipeline's: the default remote lies beside both."""
    folder = finished.parent / name
    which = ["-b", branch] if branch else []
    run("git", "clone", "-q", *which, str(finished), str(folder), cwd=finished.parent)
    return folder


@contextmanager
def on_s3(finished: Path) -> Iterator[None]:
    """While the block lasts, the finished pipeline's default remote is on S3."""
    run("git", "checkout", "-q", "s3", cwd=finished)
    try:
        yield
    finally:
        run("git", "checkout", "-q", ".", cwd=finished)
        run("git", "checkout", "-q", "-", cwd=finished)


def push_to_s3(finished: Path, server: S3Server, *targets: str) -> None:
    with on_s3(finished):
        run("dvc", "push", "-q", *targets, cwd=finished, **server.environment)


def files_in(*folders: Path) -> dict[str, bytes]:
    """Content of every file, by its path."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        path.relative_to(folders[0].parents[1]).as_posix(): path.read_bytes() for path in files
    }


def md5s(*folders: Path) -> set[str]:
    return {hashlib.md5(content).hexdigest() for content in files_in(*folders).values()}


def images_of(folder: Path) -> set[str]:
    """Digests of the radiographs, and of the tensors made of them."""
    return md5s(folder / "data/phantom/images", folder / "data/cache/images")


def fetched(folder: Path) -> set[str]:
    """Digests of what a clone's cache holds."""
    return {path.parent.name + path.name for path in (folder / ".dvc/cache/files/md5").glob("*/*")}


def change(folder: Path, changes: dict) -> None:
    path = folder / "params.yaml"
    path.write_text(
        yaml.safe_dump(merge(yaml.safe_load(path.read_text()), changes), sort_keys=False)
    )


def test_crops_come_back_from_s3_as_they_were_and_nothing_else_does(finished, s3):
    push_to_s3(finished, s3, "extract_crops@model")
    clone = colleague(finished, "from-s3", "s3")
    run("dvc", "pull", "-q", "extract_crops@model", cwd=clone, **s3.environment)
    names = ("crops/model", "heatmaps/model", "features/model/global")
    there, here = ([folder / "data" / name for name in names] for folder in (finished, clone))
    assert len(files_in(*there)) > len(names)
    assert files_in(*here) == files_in(*there)
    assert {path.name for path in (clone / "data").iterdir()} == {
        ".gitignore", "crops", "heatmaps", "features", "crop_boxes",
    }  # fmt: skip
    key = "crops/files/md5/"
    sent = {name.removeprefix(key).replace("/", "") for name in s3.requests("PUT")}
    assert fetched(clone) <= sent
    assert not images_of(finished) & sent


def test_the_default_remote_is_beside_the_checkout_and_not_made_by_looking(finished):
    clone = colleague(finished, "looking")
    listed = run("dvc", "remote", "list", cwd=clone).stdout.split()
    assert listed[:2] == ["shared", str(finished.parent / "cxr-shared")]


@pytest.mark.slow
@pytest.mark.parametrize("remote", ["folder", "s3"])
def test_a_colleague_goes_on_from_crops_without_a_radiograph(finished, s3, remote):
    """With what a folder of all members holds in part, DVC would be content."""
    if remote == "s3":
        push_to_s3(finished, s3)
    else:
        run("dvc", "push", "-q", cwd=finished)
    clone = colleague(finished, f"{remote}-crops", "s3" if remote == "s3" else None)
    run("dvc", "pull", "-q", "extract_crops", cwd=clone, **s3.environment)
    # a fusion through its branches reads radiographs
    change(clone, {"local": {"learning_rate": 0.002}, "fusion": {"finetune": []}})
    again = ["dvc", "repro", "--pull", "--allow-missing"]
    found = stages_run(run(*again, cwd=clone, **s3.environment))
    chain = ("train_local", "train_fusion")
    assert set(found) == {f"{stage}@{member}" for stage in chain for member in MEMBERS} | {
        "ensemble", "evaluate", "report",
    }  # fmt: skip
    assert len(found) == len(set(found))
    assert not images_of(finished) & fetched(clone)
    assert not (clone / "data/phantom").exists()
    assert not (clone / "data/cache/images").exists()
    assert stages_run(run(*again, cwd=clone, **s3.environment)) == []


@pytest.mark.slow
def test_another_local_backbone_needs_no_radiograph_either(finished):
    run("dvc", "push", "-q", cwd=finished)
    clone = colleague(finished, "backbone")
    run("dvc", "pull", "-q", "extract_crops", "train_fusion", cwd=clone)
    change(clone, {"model": {"local": "mobilenet_v2"}, "fusion": {"finetune": []}})
    done = run("dvc", "repro", "--pull", "--allow-missing", cwd=clone)
    assert set(stages_run(done)) == {
        "train_local@model", "train_fusion@model", "train_fusion@second",
        "ensemble", "evaluate", "report",
    }  # fmt: skip
    assert not images_of(finished) & fetched(clone)


@pytest.mark.slow
def test_a_vote_that_lacks_the_others_says_what_to_pull(finished):
    """One member's tables make DVC take the folder of all for present."""
    run("dvc", "push", "-q", cwd=finished)
    clone = colleague(finished, "one")
    run("dvc", "pull", "-q", "train_fusion@model", cwd=clone)
    change(clone, {"ensemble": {"vote": "rank"}})
    vote = ["dvc", "repro", "--pull", "--allow-missing", "ensemble"]
    for stage in ("finetune_fusion", "train_fusion"):  # `model` is finetuned, `second` is not
        with pytest.raises(AssertionError, match=f"`dvc pull {stage}` fetches it"):
            run(*vote, cwd=clone)
        run("dvc", "pull", "-q", stage, cwd=clone)
    assert stages_run(run(*vote, cwd=clone)) == ["ensemble"]


@pytest.mark.slow
def test_a_killed_push_goes_on_where_it_was(finished, s3):
    with on_s3(finished):
        empty = f"s3://{BUCKET}/killed"
        run("dvc", "remote", "modify", "s3", "url", empty, cwd=finished)
        before = len(s3.requests("PUT"))
        push = [sys.executable, "-m", "dvc", "push", "-q", "-j", "1"]
        killed = subprocess.Popen(
            push, cwd=finished, env=os.environ | s3.environment, start_new_session=True
        )
        while len(s3.requests("PUT")) < before + 5:
            assert killed.poll() is None, "the push ended before it was killed"
            time.sleep(0.01)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        time.sleep(2)  # what the server had at hand then is done
        there = set(s3.requests("PUT")[before:])
        counted = len(s3.requests("PUT"))
        run("dvc", "push", "-q", cwd=finished, **s3.environment)
        sent = s3.requests("PUT")[counted:]
        assert len(there) >= 5
        assert sent
        assert not set(sent) & there
        status = run("dvc", "status", "-c", cwd=finished, **s3.environment).stdout
        assert "in sync" in status


@pytest.mark.slow
def test_an_experiment_goes_from_one_clone_to_another(finished):
    bare = finished.parent / "bare.git"
    run("git", "init", "-q", "--bare", str(bare), cwd=finished.parent)
    run("git", "push", "-q", str(bare), "HEAD:refs/heads/main", cwd=finished)
    run("git", "symbolic-ref", "HEAD", "refs/heads/main", cwd=bare)
    run("git", "remote", "add", "bare", str(bare), cwd=finished)
    run("dvc", "exp", "run", "-n", "ranked", "-S", "ensemble.vote=rank", cwd=finished)
    ranked = json.loads((finished / "metrics/evaluate.json").read_text())
    run("dvc", "exp", "push", "bare", "ranked", cwd=finished)
    run("git", "remote", "remove", "bare", cwd=finished)
    run("git", "checkout", "-q", ".", cwd=finished)
    run("dvc", "checkout", "-q", "--force", cwd=finished)
    there = finished.parent / "there"
    run("git", "clone", "-q", str(bare), str(there), cwd=finished.parent)
    run("dvc", "exp", "pull", "origin", "ranked", cwd=there)
    assert "ranked" in run("dvc", "exp", "show", "--csv", cwd=there).stdout
    run("dvc", "exp", "apply", "ranked", cwd=there)
    assert json.loads((there / "metrics/evaluate.json").read_text()) == ranked
    differ = json.loads(run("dvc", "metrics", "diff", "--json", cwd=there).stdout)
    assert differ["metrics/evaluate.json"]["auroc"]["new"] == ranked["auroc"]
    assert set(differ) == {"metrics/evaluate.json"}  # the vote moves no heatmap
    names = ("crops", "heatmaps", "crop_boxes")
    here = [finished / "data" / name for name in names]
    assert files_in(*[there / "data" / name for name in names]) == files_in(*here)
    assert stages_run(run("dvc", "repro", cwd=there)) == []
