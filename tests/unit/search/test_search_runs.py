"""A search tells MLflow of itself and of each trial, and is never harmed by that."""

import json
from pathlib import Path

import pytest

from pipeline.errors import ParamsError
from pipeline.search.run import prepare_search
from pipeline.tracking import SearchRun, launch, search, spool

SPEC = Path(__file__).parents[3] / "search.yaml"


@pytest.fixture
def tracked(tmp_path, monkeypatch):
    """Tracking on, into `tmp_path`, with no process to carry the records away."""
    for name in ("MLFLOW_TRACKING_URI", "RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CXR_TRACKING", "on")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(search, "start_writer", lambda folder: None)
    (tmp_path / "params.yaml").write_text("seed: 7\n")
    return tmp_path


def records(root):
    paths = spool.spools(launch.spool_folder(root))
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]


def begin(root, key="1"):
    return SearchRun("wide", key=key, params=root / "params.yaml")


def test_each_trial_has_a_run_of_its_own_below_the_search(tracked):
    (tracked / "best.txt").write_text("dvc exp run")
    runs = begin(tracked)
    runs.start("t001", {"seed": "8"})
    runs.epoch("t001", {"epoch": 1, "val_auroc": 0.7, "val_loss": float("nan")})
    runs.end("t001", "stopped")
    runs.finish({"val_auroc": 0.7}, [tracked / "best.txt"])
    whole, trial = records(tracked)
    assert [record["kind"] for record in whole] == ["open", "metrics", "artifact", "end"]
    opening, epoch, end = trial
    assert opening["parent"] == whole[0]["parent"]
    assert opening["parent"]["name"] == "search wide"
    assert opening["parent"]["params"] == {"seed": "7"}
    assert (opening["stage"], opening["title"], opening["options"]) == (
        "trial",
        "t001",
        {"seed": "8"},
    )
    assert (epoch["step"], epoch["values"]) == (1, {"val_auroc": 0.7})
    assert (end["status"], end["state"]) == ("FINISHED", "stopped")


def test_a_trial_that_goes_on_has_the_run_that_it_had_and_another_search_s_has_not(tracked):
    for key in ("1", "1", "2"):
        begin(tracked, key).start("t001", {})
    opened = [one[0] for one in records(tracked) if one[0]["stage"] == "trial"]
    assert opened[0]["run"] == opened[1]["run"] != opened[2]["run"]


def test_what_goes_wrong_is_one_warning_and_the_rest_is_tracked(tracked, caplog):
    runs = begin(tracked)
    runs.epoch("never begun", {"epoch": 1})
    runs.start("t001", {})
    runs.end("t001", "failed")
    runs.finish({}, [tracked / "never written"])
    assert caplog.messages == [
        "warning: this search is tracked with gaps: no record of never begun was begun."
    ]
    assert [record[-1]["status"] for record in records(tracked)] == ["FINISHED", "FAILED"]


def test_a_search_that_cannot_be_noted_is_one_warning(tracked, caplog, monkeypatch):
    (tracked / "file").touch()
    monkeypatch.setenv("DVC_ROOT", str(tracked / "file"))
    runs = begin(tracked)
    runs.start("t001", {})
    runs.finish({}, [])
    assert len(caplog.messages) == 1
    assert "this search is not tracked" in caplog.messages[0]


def test_a_search_that_is_not_to_be_tracked_writes_nothing(tracked, monkeypatch):
    monkeypatch.setenv("CXR_TRACKING", "off")
    begin(tracked).start("t001", {})
    assert not (tracked / ".tracking").exists()


@pytest.mark.parametrize("name", ["..", ".", "/elsewhere", "a/b", "o'brien", "-fresh", "a b"])
def test_a_name_that_is_no_folder_s_is_refused_before_anything_is_emptied(tmp_path, name):
    (tmp_path / "kept").touch()
    with pytest.raises(ParamsError, match="expected letters, digits"):
        prepare_search(SPEC, tmp_path, name=name, fresh=True)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
