"""Stages as processes, with a real MLflow store that a user could open."""

import re
import signal
import sqlite3

import pytest
from waiting import becomes_true

from pipeline.tracking.launch import spool_folder
from pipeline.tracking.spool import spools, wait_until_written
from tests.stages.tracked import Named, start

WATCHED = {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"}


WATCHED_RUNS = (
    "select distinct run_uuid from metrics where key = 'system/cpu_utilization_percentage'"
)
STOPPED = "select * from runs where name like 'pretrain_capsnet model %' and status = 'KILLED'"
"""The pipeline run of the stage that goes on later; the run of the stage itself has no date."""


def rows(root, query):
    try:
        with sqlite3.connect(root / "mlflow.db") as store:
            return store.execute(query).fetchall()
    except sqlite3.Error:
        return []


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Stages that start at once on a store that is not there yet, and one with a dead server."""
    tmp = tmp_path_factory.mktemp("tracking")
    root, lonely, temp = tmp / "root", tmp / "lonely", tmp / "temp"
    fox, owl = {"DVC_EXP_NAME": "brave-fox"}, {"DVC_EXP_NAME": "wise-owl"}
    dead = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    started = {
        "in temp": start("train_global", cwd=temp, root=root, **fox),
        "interrupted": start("train_local", cwd=root, root=root, does="wait"),
        "killed": start("train_fusion", cwd=root, root=root, does="wait"),
        "stopped": start("pretrain_capsnet", cwd=lonely, root=root, does="stop"),
        "dead server": start("split", cwd=lonely, root=lonely, **dead),
    }
    for name in ("interrupted", "killed", "stopped"):
        started[name].process.stdout.readline()
    assert becomes_true(lambda: len(rows(root, WATCHED_RUNS)) == 3)
    for name in ("interrupted", "killed", "stopped"):
        started[name].process.send_signal(
            signal.SIGINT if name == "interrupted" else signal.SIGKILL
        )
    started["in temp"].process.wait()
    assert becomes_true(lambda: rows(root, STOPPED))  # before that stage goes on
    more = {
        "second stage": start("evaluate", cwd=temp, root=root, **fox),
        "failing": start("extract_crops", cwd=root, root=root, does="fail", **owl),
        "gone on": start("pretrain_capsnet", cwd=lonely, root=root, does="go on"),
    }
    ended = {name: stage.ended() for name, stage in (started | more).items()}
    assert wait_until_written(spool_folder(root), timeout_s=300.0)
    return tmp, ended


@pytest.fixture(scope="module")
def runs(outcome):
    """Each run by its name, without its date; and each run's training loss."""
    from mlflow import MlflowClient  # noqa: PLC0415 (seconds, which other tests need not wait)

    client = MlflowClient(f"sqlite:///{outcome[0] / 'root' / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "cxr-pipeline"]
    found = client.search_runs([experiment.experiment_id])
    runs = Named((re.sub(r" \d{4}-.*", " by hand", run.info.run_name), run) for run in found)
    ids = [run.info.run_id for run in found]
    return runs, {run: client.get_metric_history(run, "train_loss") for run in ids}


def test_every_stage_leaves_with_its_own_exit_code(outcome):
    codes = {name: code for name, (code, _, _) in outcome[1].items()}
    assert codes == {
        "in temp": 0,
        "second stage": 0,
        "dead server": 0,
        "failing": 1,
        "interrupted": 130,
        "killed": -signal.SIGKILL,
        "stopped": -signal.SIGKILL,
        "gone on": 0,
    }


def test_no_stage_of_a_cold_store_says_a_word_of_mlflow(outcome):
    for name, (_, _, said) in outcome[1].items():
        assert name == "dead server" or "warning" not in said.lower()
        assert "alembic" not in said


def test_a_dead_server_costs_one_warning_and_keeps_the_records(outcome):
    tmp, ended = outcome
    _, _, said = ended["dead server"]
    assert said.count("warning: MLflow does not take") == 1
    assert "Retrying" not in said
    assert len(spools(spool_folder(tmp / "lonely"))) == 1


def test_what_the_machine_does_is_logged_while_a_stage_runs(runs):
    """Of the stages that took their time; it goes on where the run of one goes on."""
    named, _ = runs
    for stage in ("train_local model", "train_fusion model", "pretrain_capsnet model"):
        assert named[stage].data.metrics.keys() >= WATCHED


def test_stages_of_an_experiment_are_nested_in_one_run(runs):
    named, _ = runs
    parent = named["brave-fox"]
    children = [named["train_global model"], named["evaluate model"]]
    assert {r.data.tags["mlflow.parentRunId"] for r in children} == {parent.info.run_id}
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"seed": "7", "global.epochs": "3"}
    assert parent.data.tags["mode"] == "temp"
    assert parent.data.metrics == {"mean_auroc": 0.75}
    assert parent.info.start_time == min(child.info.start_time for child in children)
    assert parent.info.end_time == max(child.info.end_time for child in children)


def test_a_stage_s_run_holds_its_options_epochs_and_files(runs, outcome):
    named, history = runs
    run = named["train_global model"]
    options = {"out": "model.bin", "does": "work", "member": "model"}
    assert run.data.params == options | {"seed": "7", "global.epochs": "3"}
    assert run.data.metrics["mean_auroc"] == 0.75
    points = [(point.step, point.value) for point in history[run.info.run_id]]
    assert points == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    artifacts = outcome[0] / "root" / "mlartifacts" / run.info.run_id / "artifacts"
    assert (artifacts / "model.bin").read_text() == "weights"


def test_the_run_of_a_training_that_goes_on_is_the_one_that_it_began_with(runs):
    """It moves to the pipeline run that goes on, and has each epoch once."""
    named, history = runs
    run = named["pretrain_capsnet model"]
    assert run.info.status == "FINISHED"
    assert run.info.lifecycle_stage == "active"
    assert [point.step for point in history[run.info.run_id]] == [1, 2, 3]
    parents = named.all("pretrain_capsnet model by hand")
    assert sorted(parent.info.status for parent in parents) == ["FINISHED", "KILLED"]
    (finished,) = [p.info.run_id for p in parents if p.info.status == "FINISHED"]
    assert run.data.tags["mlflow.parentRunId"] == finished
    assert len(named.all("pretrain_capsnet model")) == 1


def test_how_long_a_training_stood_still_is_known(runs):
    named, _ = runs
    run = named["pretrain_capsnet model"]
    parents = named.all("pretrain_capsnet model by hand")
    (killed,) = [parent for parent in parents if parent.info.status == "KILLED"]
    (resumed,) = [parent for parent in parents if parent.info.status == "FINISHED"]
    paused_ms = resumed.info.start_time - killed.info.end_time
    assert paused_ms > 0
    assert run.data.metrics["paused_minutes"] == pytest.approx(paused_ms / 60_000)


@pytest.mark.parametrize(
    ("stage", "pipeline_run", "status"),
    [
        ("extract_crops model", "wise-owl", "FAILED"),
        ("train_local model", "train_local model by hand", "KILLED"),
        ("train_fusion model", "train_fusion model by hand", "KILLED"),
    ],
)
def test_the_end_of_a_stage_is_that_of_its_pipeline_run(runs, stage, pipeline_run, status):
    named, _ = runs
    assert named[stage].info.status == named[pipeline_run].info.status == status
    assert named[stage].data.tags["mlflow.parentRunId"] == named[pipeline_run].info.run_id


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        (["split FINISHED", "evaluate FINISHED"], "FINISHED"),
        (["split FAILED", "evaluate FINISHED"], "FAILED"),
        (["split FAILED", "split FINISHED"], "FINISHED"),
        (["split FINISHED", "split KILLED", "evaluate FINISHED"], "KILLED"),
    ],
)
def test_a_pipeline_run_ends_as_badly_as_the_last_run_of_any_of_its_stages(outcome, ends, status):
    """`dvc repro --keep-going`; an experiment that is run again behind a failure."""
    from pipeline.tracking.store import Store  # noqa: PLC0415 (seconds)

    folder = outcome[0] / "root"
    database = folder / "mlflow.db"
    store = Store(f"sqlite:///{database}", "ends", database=database)
    parent = {"key": " ".join(ends), "name": "fox", "tags": {}, "params": {}}
    for n, (stage, word) in enumerate((end.split() for end in ends), start=1):
        about = {"parent": parent, "stage": stage, "title": stage, "options": {}, "time_ms": n}
        run = store.open(about, f"{parent['key']} {n}")
        run.apply({"kind": "end", "status": word, "time_ms": n + 1}, folder)
    run.end_pipeline(9)
    (ended,) = store.client.search_runs(
        [store.experiment], f"tags.pipeline_run = '{parent['key']}'"
    )
    assert (ended.info.status, ended.info.start_time, ended.info.end_time) == (status, 1, 9)


STAGES = ("train_global", "train_local", "evaluate")


@pytest.mark.slow
@pytest.mark.parametrize("checkouts", [1, 9])
def test_nine_pipeline_runs_at_once_leave_nine_whole_runs_in_a_cold_store(tmp_path, checkouts):
    """As workers of one checkout's queue leave them, or checkouts that share a store."""
    from mlflow import MlflowClient  # noqa: PLC0415 (seconds, which other tests need not wait)

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    names = [f"fox-{n}" for n in range(9)]
    roots = {name: tmp_path / f"root-{n % checkouts}" for n, name in enumerate(names)}
    for stage in STAGES:
        started = [
            start(
                stage,
                cwd=tmp_path / name,
                root=roots[name],
                DVC_EXP_NAME=name,
                MLFLOW_TRACKING_URI=uri,
            )
            for name in names
        ]
        assert [stage.ended()[0] for stage in started] == [0] * 9
    assert all(wait_until_written(spool_folder(r), timeout_s=300.0) for r in roots.values())
    client = MlflowClient(uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "cxr-pipeline"]
    found = Named(
        (run.info.run_name, run) for run in client.search_runs([experiment.experiment_id])
    )
    assert len(found.pairs) == 9 + 9 * len(STAGES)
    assert {run.info.status for _, run in found.pairs} == {"FINISHED"}
    for name in names:
        parent = found[name]
        below = {
            run.data.tags["stage"]: run
            for _, run in found.pairs
            if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
        }
        assert below.keys() == set(STAGES)
        assert parent.data.metrics == {"mean_auroc": 0.75}
        for run in below.values():
            points = client.get_metric_history(run.info.run_id, "train_loss")
            assert [point.step for point in points] == [1, 2, 3]
            assert run.data.metrics["mean_auroc"] == 0.75
            assert [f.path for f in client.list_artifacts(run.info.run_id)] == ["model.bin"]
