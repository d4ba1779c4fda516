"""`python -m benchmarks.ablation` and `benchmarks.peers` on the finished pipeline's cohort."""

import shutil
from functools import partial
from pathlib import Path

import pytest
import yaml

from benchmarks import ablation, peers
from benchmarks.cohort import auroc_less, read_cohort, run_all

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]


def test_every_change_is_trained_and_told_beside_none(finished: Path, tmp_path: Path):
    params = yaml.safe_load((finished / "params.yaml").read_text(encoding="utf-8"))
    params["second"] = params["model"] = {**params["model"], "global": "resnet18"}
    params["global"] |= {"epochs": 1, "pyramid": 8, "pooling": "pcam"}
    params["train"] |= {"input_size": 32, "batch_size": 16}
    cohort = read_cohort(finished)
    names = ["none", *(name for name in ablation.CHANGES if name not in ("none", "128 px"))]
    run = partial(ablation.run_change, cohort, params)
    runs = run_all(names, 1, tmp_path / "kept.jsonl", run)
    lines = ablation.table(runs).splitlines()[2:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == names
    aurocs = {run["variant"]: run["auroc"][0] for run in runs}
    assert all(0 < one < 1 for one in aurocs.values())
    less, low, high = auroc_less(runs[1:2], runs[:1])
    assert less == pytest.approx(aurocs[names[1]] - aurocs["none"])
    assert low <= less <= high


def test_peers_are_trained_for_at_least_our_epochs(finished: Path):
    cohort = read_cohort(finished)
    for name in peers.PEERS:
        found = peers.run_peer(cohort, name, seed=1, epochs=2, minutes=0.0)
        assert found["epochs"] == 2
        assert found["minutes"] > 0
        assert 0 < found["auroc"][0] < 1


def test_ours_is_the_pipeline_of_the_checkout(finished: Path, tmp_path: Path):
    root = tmp_path / "checkout"
    shutil.copytree(finished, root, symlinks=True)
    before = (root / "params.yaml").read_text(encoding="utf-8")
    found = peers.run_ours(root, seed=3)
    assert (root / "params.yaml").read_text(encoding="utf-8") == before
    minutes = [found[one]["minutes"] for one in peers.NETWORKS]
    assert minutes == sorted(minutes)
    assert minutes[0] > 0
    runs = [{"variant": f"ours, {one}", "seed": 3, "epochs": 1} | found[one] for one in found]
    lines = peers.table(runs).splitlines()
    assert len(lines) == 2 + len(peers.NETWORKS)
    assert lines[-1].endswith("|  |")  # fusion beside itself
