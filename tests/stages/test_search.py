"""A search that is killed goes on, and its best trial is what `dvc exp run` makes of its line."""

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml

from pipeline.tracking.spool import wait_until_written
from tests.stages.conftest import REPO, commit, run

SPEC = {
    "branch": "global",
    "trials": 4,
    "seed": 3,
    "concurrent": 2,
    "resources": {"cpu": 1, "gpu": 0},
    "asha": {"grace": 1, "reduction": 2},
    "space": {
        "global.epochs": {"choice": [3]},
        "global.learning_rate": {"loguniform": [0.0003, 0.01]},
        "train.batch_size": {"choice": [16, 32]},
    },
}

SEARCH = [sys.executable, "-P", "-m", "pipeline.commands.cli", "search"]
INSTALLED = {"PYTHONPATH": str(REPO)}
"""As if `cxr` were installed from this repository and called in a folder of the clone."""


def rows_of(folder: Path) -> list[dict]:
    path = folder / ".search/search/log.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def epochs_of(rows: list[dict]) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for row in rows:
        if "epoch" in row:
            found.setdefault(row["trial"], []).append(row["epoch"])
    return found


def kill_after(epochs: int, folder: Path) -> None:
    """Start a search, and kill it with all its processes when it has noted so many epochs."""
    ours = {"OMP_NUM_THREADS": "1", "CXR_TRACKING": "on"}
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        SEARCH,
        cwd=folder / "docs",
        env=os.environ | ours | path | INSTALLED,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while sum("epoch" in row for row in rows_of(folder)) < epochs:
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.02)
    helpers = psutil.Process(process.pid).children(recursive=True)
    assert len(helpers) > 2  # Ray's, and the trials
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _, left = psutil.wait_procs(helpers, timeout=60)
    assert not [one for one in left if one.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module")
def folder(make_clone):
    """A clone of which only the data are made."""
    folder = make_clone()
    run("dvc", "repro", "-q", "split", cwd=folder)
    (folder / "search.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    commit(folder)
    return folder


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_to_a_best_that_dvc_reproduces(folder):
    kill_after(3, folder)
    before = rows_of(folder)
    done = run(*SEARCH, cwd=folder / "docs", CXR_TRACKING="on", **INSTALLED)
    rows = rows_of(folder)
    assert rows[: len(before)] == before
    states = {row["trial"]: row["state"] for row in rows if "state" in row}
    assert set(states) == {"t001", "t002", "t003", "t004"}
    assert Counter(states.values()) >= Counter(["finished", "stopped"])
    assert set(states.values()) <= {"finished", "stopped"}
    assert not list(folder.glob(".search/search/.ckpt/*/*.pt"))

    epochs = epochs_of(rows)
    for trial, state in states.items():  # none is run twice
        numbers = [epoch["epoch"] for epoch in epochs[trial]]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) == 3 or state == "stopped"
    assert any(0 < len(epochs_of(before).get(t, [])) < len(all_) for t, all_ in epochs.items())

    check_runs(folder, epochs, states)
    line = (folder / ".search/search/best.txt").read_text().strip()
    assert done.stdout.splitlines()[-1] == line
    best = done.stdout.splitlines()[0].split()[3].rstrip(",")
    run("env", *shlex.split(line), "train_global@model", cwd=folder)
    curve = pd.read_csv(folder / "plots/curves/model/global.csv")["val_auroc"]
    assert [f"{e['val_auroc']:.6g}" for e in epochs[best]] == [f"{v:.6g}" for v in curve]


def check_runs(folder: Path, epochs: dict[str, list[dict]], states: dict[str, str]) -> None:
    """One run of MLflow for the search, one nested in it for each trial, each epoch once."""
    assert wait_until_written(folder / ".tracking", timeout_s=120.0)
    with sqlite3.connect(folder / "mlflow.db") as store:
        runs = {
            name: (run, status)
            for run, name, status in store.execute(
                "select run_uuid, name, status from runs where lifecycle_stage = 'active'"
            )
        }
        tags = {
            (run, key): value
            for run, key, value in store.execute("select run_uuid, key, value from tags")
        }
        params = {
            (run, key): value
            for run, key, value in store.execute("select run_uuid, key, value from params")
        }
        points = store.execute(
            "select run_uuid, step, value from metrics where key = 'val_auroc' order by step"
        ).fetchall()
    assert set(runs) == {"search search", *states}
    assert {status for _, status in runs.values()} == {"FINISHED"}
    above = runs["search search"][0]
    for trial, state in states.items():
        below = runs[trial][0]
        assert tags[below, "mlflow.parentRunId"] == above
        assert tags[below, "state"] == state
        assert params[below, "global.epochs"] == "3"
        logged = [(step, value) for run, step, value in points if run == below]
        assert logged == [(e["epoch"], e["val_auroc"]) for e in epochs[trial]]


@pytest.mark.slow
def test_a_search_with_other_values_does_not_go_on(folder):
    """After the one above: its trials are there."""
    changed = SPEC | {"asha": {"grace": 2, "reduction": 2}}
    other = folder / "other.yaml"
    other.write_text(yaml.safe_dump(changed, sort_keys=False))
    done = subprocess.run(
        [*SEARCH, "--spec", "../other.yaml", "--name", "search"],
        cwd=folder / "docs",
        env=os.environ | INSTALLED,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "asha.grace was 1, is 2" in done.stderr
    assert "--fresh" in done.stderr
