"""Minutes of experiments, from runs as MLflow holds them."""

from types import SimpleNamespace

import pytest

from pipeline.tracking import durations as spent
from pipeline.tracking.durations import last_runs, minutes_spent


def stage(experiment, parent, start_min, end_min, *, revision="a", status="FINISHED", **metrics):
    tags = {"experiment": experiment, "revision": revision, "mlflow.parentRunId": parent}
    info = SimpleNamespace(
        start_time=start_min * 60_000, end_time=end_min and end_min * 60_000, status=status
    )
    return SimpleNamespace(data=SimpleNamespace(tags=tags, metrics=metrics), info=info)


@pytest.fixture
def minutes(monkeypatch, tmp_path):
    """What is known of a store with these runs."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def of(runs, baselines=("a",)):
        def held(root, baseline):
            return [run for run in runs if run.data.tags["revision"] == baseline]

        monkeypatch.setattr(spent, "_stage_runs", held)
        (tmp_path / "mlflow.db").touch()
        return minutes_spent(baselines, tmp_path)

    return of


def test_an_experiment_took_what_its_stages_took_without_the_pauses(minutes):
    assert minutes([stage("one", "p", 0, 2), stage("one", "p", 5, 6)]) == {("one", "a"): 3.0}


def test_one_that_was_run_anew_took_what_its_last_run_took(minutes):
    runs = [stage("one", "new", 10, 11), stage("one", "old", 0, 9)]
    assert minutes(runs) == {("one", "a"): 1.0}


def test_a_stage_that_has_not_ended_counts_nothing(minutes):
    assert minutes([stage("one", "p", 0, 2), stage("one", "p", 2, None)]) == {("one", "a"): 2.0}
    goes_on = stage("one", "p", 2, 3, status="RUNNING", paused_minutes=600.0)
    assert minutes([stage("one", "p", 0, 2), goes_on]) == {("one", "a"): 2.0}


def test_the_night_between_a_training_s_end_and_its_going_on_does_not_count(minutes):
    runs = [stage("one", "p", 0, 2), stage("one", "p", 2, 610, paused_minutes=600.0)]
    assert minutes(runs) == {("one", "a"): 10.0}


def test_experiments_of_one_name_on_two_commits_are_two(minutes):
    runs = [stage("one", "p", 0, 2), stage("one", "q", 0, 3, revision="b")]
    assert minutes(runs, ["a", "b"]) == {("one", "a"): 2.0, ("one", "b"): 3.0}
    assert minutes(runs, ["b"]) == {("one", "b"): 3.0}


def named(name, start_min, end_min, **more):
    run = stage("", "p", start_min, end_min, **more)
    run.info.run_name = name
    del run.data.tags["experiment"]
    return run


def test_what_the_workspace_holds_took_the_last_run_of_each_stage(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").touch()
    runs = [named("evaluate", 5, 6), named("train_global model", 0, 4), named("evaluate", 0, 3)]
    runs[0].data.metrics["paused_minutes"] = 0.5
    other = stage("one", "q", 7, 20)  # of an experiment
    monkeypatch.setattr(spent, "_search", lambda root, wanted: [*runs, other])
    assert last_runs(tmp_path) == (2, 4.5)
    monkeypatch.setattr(spent, "_search", lambda root, wanted: [other])
    assert last_runs(tmp_path) is None


def test_a_file_that_is_no_store_is_a_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_text(
        "none of MLflow's, and longer than the header that SQLite " * 9
    )
    assert minutes_spent(["a"], tmp_path) == {}
    assert "file is not a database" in caplog.text


def test_a_store_that_is_not_there_is_not_made(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert minutes_spent(["a"], tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
