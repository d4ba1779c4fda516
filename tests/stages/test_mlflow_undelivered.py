"""What a real MLflow store does not take: no run's end waits for it, and nothing is lost."""

import shutil
import subprocess

import pytest

from pipeline import tracking
from pipeline.tracking import writer
from pipeline.tracking.launch import spool_folder
from pipeline.tracking.spool import files_of
from tests.stages.checkouts import use


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with its experiment, and no run yet."""
    with pytest.MonkeyPatch.context() as patch:
        checkout = use(patch, tmp_path_factory.mktemp("store"))
        checkout.client().create_experiment(
            "cxr-pipeline", artifact_location=(checkout.root / "mlartifacts").as_uri()
        )
    return checkout.database


@pytest.fixture
def checkout(store, tmp_path, monkeypatch):
    root = tmp_path / "checkout"
    root.mkdir()
    shutil.copyfile(store, root / "mlflow.db")
    return use(monkeypatch, root)


def state(run):
    return run.info.status, run.info.end_time, run.data.metrics


def test_a_run_ends_without_its_artefact_which_waits_and_arrives_later(checkout, caplog):
    """A file in the place of the folder: not even root can write there."""
    (checkout.root / "mlartifacts").touch()
    checkout.report("split")
    (late,) = checkout.write()
    ended = state(checkout.runs()["split"])
    assert (ended[0], ended[2]) == ("FINISHED", {"auroc": 0.75})
    parents = checkout.client().search_runs(["1"], "tags.pipeline_run LIKE '%'")
    assert [parent.info.status for parent in parents] == ["FINISHED"]
    (warning,) = caplog.messages
    assert "split has ended without split.txt" in warning
    assert f"{checkout.root / 'mlartifacts'}" in warning
    assert "1 report (0.0 MB) waits in" in warning
    assert checkout.write() == {late}
    (checkout.root / "mlartifacts").unlink()
    assert checkout.write() == set()
    assert checkout.texts() == {"split": "split"}
    assert state(checkout.runs()["split"]) == ended
    assert checkout.waiting() == []
    assert not files_of(late).exists()


def test_of_a_run_that_is_on_its_way_only_the_late_files_are_kept(checkout):
    (checkout.root / "mlartifacts").mkdir()
    for name in ("first", "second"):
        (checkout.root / name).write_text(name)
    with checkout.begin("split"):
        for name in ("first", "second"):
            tracking.log_artifact(checkout.root / name)
        (spool,) = checkout.waiting()
        carrier = writer.Writer(spool_folder(checkout.root))
        carrier._is_done(spool)  # it began, and has the first two files
        run = checkout.runs()["split"].info.run_id
        folder = checkout.root / "mlartifacts" / run / "artifacts"
        shutil.rmtree(folder)
        folder.touch()
        (checkout.root / "third").write_text("third")
        tracking.log_artifact(checkout.root / "third")
    assert carrier.run() == {spool}
    assert [file.name for file in files_of(spool).iterdir()] == ["third"]
    folder.unlink()
    assert checkout.write() == set()
    assert [file.name for file in folder.iterdir()] == ["third"]


def test_a_late_artefact_of_a_run_that_somebody_deleted_goes_with_it(checkout, caplog):
    (checkout.root / "mlartifacts").touch()
    checkout.report("split")
    checkout.write()
    checkout.client().delete_run(checkout.runs()["split"].info.run_id)
    caplog.clear()
    assert checkout.write() == set()
    assert checkout.runs() == {}
    assert caplog.messages == [
        "warning: split was deleted in MLflow, and its late artefacts go with it."
    ]


def test_reports_wait_for_a_deleted_experiment_and_the_warning_says_what_helps(checkout, caplog):
    client = checkout.client()
    client.delete_experiment("1")
    for name in ("split", "evaluate"):
        checkout.report(name)
    assert len(checkout.write()) == 2
    uri = f"sqlite:///{checkout.database}"
    assert caplog.messages == [
        "warning: MLflow does not take what the stages report: its experiment cxr-pipeline was "
        f"deleted; `MLFLOW_TRACKING_URI={uri} mlflow experiments restore -x 1` brings it back "
        f"with its runs; `MLFLOW_TRACKING_URI={uri} mlflow gc --backend-store-uri {uri} "
        "--experiment-ids 1` deletes it with its runs for good, and the next run begins it anew. "
        f"The pipeline goes on; 2 reports (0.0 MB) wait in {spool_folder(checkout.root)}, and "
        "the next run tries again; delete that folder to forget them."
    ]
    client.restore_experiment("1")
    assert checkout.write() == set()
    assert checkout.texts() == {"split": "split", "evaluate": "evaluate"}


def test_nothing_is_lost_of_a_stage_whose_experiment_is_deleted_under_it(checkout, monkeypatch):
    """MLflow then refuses each record, as it does one that can never be taken."""
    monkeypatch.setenv("DVC_EXP_NAME", "brave-fox")
    with checkout.begin("split"):
        tracking.log_metrics({"before": 1.0})
        (spool,) = checkout.waiting()
        carrier = writer.Writer(spool_folder(checkout.root))
        assert not carrier._is_done(spool)
        checkout.client().delete_experiment("1")
        tracking.log_metrics({"after": 2.0})
    checkout.report("evaluate")
    assert len(carrier.run()) == 2
    checkout.client().restore_experiment("1")
    assert checkout.write() == set()
    runs = checkout.runs()
    assert runs["split"].data.metrics == {"before": 1.0, "after": 2.0}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs.keys() == {"split", "evaluate"}


@pytest.mark.slow
@pytest.mark.parametrize(("remedy", "runs"), [(0, {"split", "evaluate"}), (1, {"evaluate"})])
def test_what_the_warning_says_helps_from_any_folder(
    checkout, caplog, tmp_path, monkeypatch, remedy, runs
):
    checkout.report("split")
    checkout.write()
    checkout.client().delete_experiment("1")
    checkout.report("evaluate")
    checkout.write()
    command = caplog.messages[0].split("`")[1::2][remedy]
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    subprocess.run(["bash", "-c", command], check=True, cwd=tmp_path)
    assert checkout.write() == set()
    assert checkout.runs().keys() == runs
    assert checkout.texts().keys() == runs
