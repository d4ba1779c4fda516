"""Experiments: a run in a folder of its own gives the workspace's results, and leaves its runs."""

import json
import sqlite3

import pytest

from pipeline.graph.reruns import find_reruns
from pipeline.tracking.origin import flatten
from pipeline.tracking.spool import wait_until_written
from tests.stages.conftest import commit, run, stages_run


@pytest.mark.slow
def test_a_temporary_experiment_repeats_the_workspace_to_the_byte(make_clone):
    folder = make_clone()
    run("dvc", "repro", "report", cwd=folder, CXR_TRACKING="on")
    commit(folder)
    # --force: every stage is run again, though the run cache knows the results
    run("dvc", "exp", "run", "--temp", "--force", "-n", "again", cwd=folder, CXR_TRACKING="on")
    run("dvc", "exp", "branch", "again", "again", cwd=folder)
    for file in ("dvc.lock", "metrics/systems.json", "metrics/methods.json"):
        here = run("git", "show", f"HEAD:{file}", cwd=folder).stdout
        assert run("git", "show", f"again:{file}", cwd=folder).stdout == here, file
    stages = run("dvc", "stage", "list", "--name-only", cwd=folder).stdout.split()
    assert wait_until_written(folder / ".tracking", timeout_s=120.0)
    with sqlite3.connect(folder / "mlflow.db") as store:
        modes = store.execute("select value from tags where key = 'mode'").fetchall()
        names = [name for (name,) in store.execute("select name from runs")]
        parents = store.execute(
            "select distinct value from tags where key = 'mlflow.parentRunId'"
        ).fetchall()
        logged = dict(
            store.execute(
                "select key, value from latest_metrics join runs using (run_uuid) "
                "where name = 'again'"
            ).fetchall()
        )
        ends = store.execute("select distinct status from runs").fetchall()
    for file, group in [("evaluate", ""), ("iou", ""), ("systems", "systems/")]:
        written = json.loads((folder / f"metrics/{file}.json").read_text())
        numbers = {k: v for k, v in flatten(written).items() if isinstance(v, int | float)}
        found = {key: logged[group + key] for key in numbers}
        assert found == pytest.approx(numbers, abs=1e-6), file
    assert ends == [("FINISHED",)]
    assert {"workspace", "temp"} <= {mode for (mode,) in modes}
    assert names.count("evaluate") == 2
    assert names.count("train_global model") == 2
    assert len(parents) == 2  # one run per pipeline run, all stages nested in them
    assert len(names) == 2 + 2 * len({*stages} - {"check"})  # of which no record is kept


@pytest.mark.slow
@pytest.mark.xdist_group("pipeline")
def test_an_experiment_with_another_backbone_runs_its_chain_alone(finished):
    done = run("dvc", "exp", "run", "--temp", "-S", "model.global=resnet18", cwd=finished)
    ran = stages_run(done)
    assert ran == list(find_reruns(finished)["model.global"])
    assert "train_global@model" in ran
    assert not {stage for stage in ran if stage.endswith("@second")}
    assert not {*ran} & {"phantom", "ingest", "split", "pretrain_capsnet"}
