"""Forty experiments in a queue, whose stages are killed every few minutes: all end."""

import json
import random
import shutil
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from pipeline.experiments.queue import read_status
from pipeline.tracking.spool import wait_until_written
from tests.stages.conftest import run
from tests.stages.killed import environment, left_behind
from tests.stages.queues import workers_stopped

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

EXPERIMENTS = 40
WORKERS = 2
BETWEEN_KILLS_S = 150
ROUNDS = 6
"""In each those that were killed are queued again."""

KEY = "fusion.learning_rate"
RATES = [round(1e-4 * (number + 1), 4) for number in range(EXPERIMENTS)]


@pytest.fixture
def copy(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    return folder


def dvc(folder, *words):
    """With the environment's own Python, whose processes can be told apart and killed."""
    return run("dvc", *words, cwd=folder, PATH=environment()["PATH"], CXR_TRACKING="on").stdout


def aurocs(folder):
    """By rate, name and AUROC of each experiment of this commit that has ended."""
    (_, here) = json.loads(dvc(folder, "exp", "show", "--json"))
    rows = [one["revs"][0] for one in here["experiments"] or []]
    found = {}
    for row in rows:
        data = row["data"] or {}
        if row["name"] and "metrics/evaluate.json" in data.get("metrics", {}):
            rate = data["params"]["params.yaml"]["data"]["fusion"]["learning_rate"]
            found[rate] = row["name"], data["metrics"]["metrics/evaluate.json"]["data"]["auroc"]
    return found


def stages_of(folder):
    """Processes of stages that the queue runs."""
    here = folder / ".dvc/tmp/exps"
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words, place = process.info["cmdline"] or [], process.info["cwd"] or "/"
        is_stage = any(word.startswith("stages.") for word in words)
        if is_stage and Path(place).is_relative_to(here):
            yield process


def work_off_with_kills(folder, chance, *, within_s):
    """Until nothing waits or runs; how many stages were killed."""
    start = f"dvc queue start --jobs {WORKERS} > .dvc/tmp/start 2>&1"
    path = environment()["PATH"]
    run("sh", "-c", start, cwd=folder, PATH=path, CXR_TRACKING="on")
    kills, last, until = 0, time.monotonic(), time.monotonic() + within_s
    while any(read_status(dvc(folder, "queue", "status"))):
        assert time.monotonic() < until, dvc(folder, "queue", "status")
        if time.monotonic() > last + BETWEEN_KILLS_S and (stages := [*stages_of(folder)]):
            chance.choice(stages).kill()
            kills, last = kills + 1, time.monotonic()
        time.sleep(2)
    return kills


def size_of(folder):
    return sum(f.lstat().st_size for f in folder.rglob("*") if f.is_file() or f.is_symlink())


def in_mlflow(folder):
    """AUROCs of finished runs of pipelines by name, and how many runs are in which state."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        states = Counter(state for (state,) in store.execute("select status from runs"))
        rows = store.execute(
            "select runs.name, value from runs join latest_metrics using (run_uuid) "
            "where key = 'auroc' and status = 'FINISHED' and run_uuid not in "
            "(select run_uuid from tags where key = 'mlflow.parentRunId')"
        ).fetchall()
    return dict(rows), states


def test_forty_experiments_whose_stages_are_killed_all_end_and_mlflow_agrees(copy):
    before, cache = aurocs(copy), copy / ".dvc/cache"
    dvc(copy, "gc", "--workspace", "--force")
    small = size_of(cache)
    chance, kills = random.Random("soak"), 0
    with workers_stopped(copy):
        for _ in range(ROUNDS):
            left = sorted({*RATES} - aurocs(copy).keys())
            if not left:
                break
            rates = ",".join(str(rate) for rate in left)
            dvc(copy, "exp", "run", "--queue", "-S", f"{KEY}={rates}")
            kills += work_off_with_kills(copy, chance, within_s=5400)
            dvc(copy, "queue", "remove", "--failed")
    found = {rate: one for rate, one in aurocs(copy).items() if rate not in before}
    assert sorted(found) == RATES
    assert kills >= 3
    assert wait_until_written(copy / ".tracking", timeout_s=600)
    told, states = in_mlflow(copy)
    in_dvc = dict(found.values())
    assert in_dvc == pytest.approx({name: told[name] for name in in_dvc}, abs=1e-6)
    assert "RUNNING" not in states, states
    assert left_behind(copy).processes == []
    # What experiments cost is given back with them.
    dvc(copy, "exp", "remove", *(name for name, _ in found.values()))
    dvc(copy, "gc", "--workspace", "--force")
    assert size_of(cache) <= small * 1.01
    assert size_of(copy / ".dvc/tmp") < 20e6
