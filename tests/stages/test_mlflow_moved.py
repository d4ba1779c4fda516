"""A checkout that was renamed or copied, with a real MLflow store that has runs already."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request

import pytest
from waiting import becomes_true

from pipeline import tracking
from pipeline.tracking import address
from tests.stages.checkouts import Checkout, use
from tests.stages.tracked import REPOSITORY


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A checkout with the run of one stage."""
    with pytest.MonkeyPatch.context() as patch:
        checkout = use(patch, tmp_path_factory.mktemp("made") / "made")
        checkout.report("split")
        assert checkout.write() == set()
        assert checkout.texts() == {"split": "split"}
    return checkout


@pytest.fixture
def original(made, tmp_path, monkeypatch):
    """The same at another place, which it has always had as far as anybody can tell."""
    root = tmp_path / "original"
    shutil.copytree(made.root, root)
    with sqlite3.connect(root / "mlflow.db") as store:
        old, new = made.root.as_uri(), root.as_uri()
        store.execute("update runs set artifact_uri = replace(artifact_uri, ?, ?)", (old, new))
        store.execute(
            "update experiments set artifact_location = replace(artifact_location, ?, ?)",
            (old, new),
        )
    return use(monkeypatch, root)


def renamed(checkout: Checkout, monkeypatch) -> Checkout:
    new = checkout.root.with_name("renamed")
    monkeypatch.chdir(checkout.root.parent)
    checkout.root.rename(new)
    return use(monkeypatch, new)


def copied(checkout: Checkout, monkeypatch) -> Checkout:
    new = checkout.root.with_name("copy")
    shutil.copytree(checkout.root, new)
    return use(monkeypatch, new)


def contents(checkout: Checkout) -> dict:
    return {p: p.read_bytes() for p in sorted(checkout.root.rglob("*")) if p.is_file()}


def places(checkout: Checkout) -> set[str]:
    """Below which folder MLflow looks for artefacts."""
    with sqlite3.connect(checkout.database) as store:
        runs = store.execute("select artifact_uri, run_uuid from runs").fetchall()
        named = "select artifact_location from experiments where experiment_id > 0"
        of_experiments = {row[0] for row in store.execute(named)}
    return {uri.removesuffix(f"/{run}/artifacts") for uri, run in runs} | of_experiments


def test_after_a_rename_old_artefacts_and_new_ones_open_and_the_old_path_stays_gone(
    original, monkeypatch
):
    checkout = renamed(original, monkeypatch)
    checkout.report("evaluate")
    assert checkout.write() == set()
    assert checkout.texts() == {"split": "split", "evaluate": "evaluate"}
    assert checkout.runs()["evaluate"].info.status == "FINISHED"
    assert places(checkout) == {(checkout.root / "mlartifacts").as_uri()}
    assert not original.root.exists()


def test_a_copy_is_whole_and_leaves_the_original_as_it_was(original, monkeypatch):
    before = contents(original)
    checkout = copied(original, monkeypatch)
    checkout.report("evaluate")
    assert checkout.write() == set()
    assert checkout.texts() == {"split": "split", "evaluate": "evaluate"}
    assert places(checkout) == {(checkout.root / "mlartifacts").as_uri()}
    assert contents(original) == before


@pytest.mark.parametrize("move", [renamed, copied])
def test_reports_that_waited_when_the_checkout_was_moved_arrive_where_it_is(
    original, monkeypatch, move
):
    original.report("evaluate")
    before = contents(original)
    checkout = move(original, monkeypatch)
    assert checkout.write() == set()
    assert checkout.texts() == {"split": "split", "evaluate": "evaluate"}
    assert move is renamed or contents(original) == before


def test_a_run_that_goes_on_in_a_copy_without_its_artefacts_takes_them_along(
    original, monkeypatch
):
    """Somebody copied the database alone."""
    (run,) = original.runs().values()
    before = contents(original)
    checkout = copied(original, monkeypatch)
    shutil.rmtree(checkout.root / "mlartifacts")
    more = checkout.root / "more.txt"
    more.write_text("more")
    with checkout.begin("split"):
        tracking.go_on_with(run.data.tags["stage_run"], 0)
        tracking.log_artifact(more)
    assert checkout.write() == set()
    files = checkout.root / "mlartifacts" / run.info.run_id / "artifacts"
    assert sorted(file.name for file in files.iterdir()) == ["more.txt", "split.txt"]
    assert contents(original) == before


def test_artefacts_that_lie_only_in_another_checkout_stay_readable(original, monkeypatch):
    """Of a database that several checkouts share; new ones lie beside it."""
    checkout = copied(original, monkeypatch)
    shutil.rmtree(checkout.root / "mlartifacts")
    checkout.report("evaluate")
    assert checkout.write() == set()
    assert checkout.texts() == {"split": "split", "evaluate": "evaluate"}
    (run,) = (checkout.root / "mlartifacts").iterdir()
    assert run.name == checkout.runs()["evaluate"].info.run_id


@pytest.mark.parametrize("place", ["mlflow-artifacts:/7", "given", "default"])
def test_an_experiment_s_own_place_counts_if_somebody_gave_it_one(
    original, monkeypatch, tmp_path, place
):
    """One of the UI names what only a server can write to, MLflow's own its maker's folder."""
    name = "Default" if place == "default" else "mine"
    if place != "default":
        where = (tmp_path / place).as_uri() if place == "given" else place
        original.client().create_experiment(name, artifact_location=where)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    original.report("evaluate")
    assert original.write() == set()
    assert original.texts() == {"split": "split", "evaluate": "evaluate"}
    run = original.runs()["evaluate"].info.run_id
    folder = tmp_path / "given" if place == "given" else original.root / "mlartifacts"
    assert (folder / run / "artifacts" / "evaluate.txt").read_text() == "evaluate"


def test_a_writer_that_a_person_starts_mends_paths_and_writes_what_waits(original, monkeypatch):
    """Also where no stage has run since; the folder may be named from where one stands."""
    checkout = renamed(original, monkeypatch)
    words = [sys.executable, "-m", "pipeline.tracking.writer", ".tracking"]
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=checkout.root)
    assert (done.stdout, done.stderr) == ("", "")
    assert places(checkout) == {(checkout.root / "mlartifacts").as_uri()}
    checkout.report("evaluate")
    subprocess.run(words, check=True, cwd=checkout.root)
    assert checkout.waiting() == []
    assert checkout.texts() == {"split": "split", "evaluate": "evaluate"}


def test_a_path_with_signs_of_an_address_holds_store_and_artefacts(
    original, monkeypatch, tmp_path
):
    """All of them below the checkout, and nothing beside it."""
    root = tmp_path / "odd" / "a?b#c%41 & ü'"
    shutil.copytree(original.root, root)
    checkout = use(monkeypatch, root)
    checkout.report("evaluate")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    words = [sys.executable, "-m", "pipeline.tracking.writer", ".tracking"]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=root)
    assert (done.stdout, done.stderr) == ("", "")
    assert checkout.waiting() == []
    assert places(checkout) == {(root / "mlartifacts").as_uri()}
    with sqlite3.connect(checkout.database) as store:
        ((run, status),) = store.execute(
            "select run_uuid, status from runs where name = 'evaluate'"
        ).fetchall()
    assert status == "FINISHED"
    file = root / "mlartifacts" / run / "artifacts" / "evaluate.txt"
    assert file.read_text() == "evaluate"
    assert [path.name for path in root.parent.iterdir()] == [root.name]
    assert sorted(path.name for path in root.iterdir()) == [
        ".tracking",
        "evaluate.txt",
        "mlartifacts",
        "mlflow.db",
        "mlflow.db.lock",
        "split.txt",
    ]


@pytest.mark.slow
def test_the_ui_shows_artefacts_of_a_copy_by_the_command_that_is_printed(
    original, monkeypatch, tmp_path
):
    (run,) = original.runs().values()
    root = tmp_path / "a?b#c%41 & ü'"
    shutil.copytree(original.root, root)
    shutil.rmtree(original.root)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    words = [sys.executable, "-m", "pipeline.tracking.writer", ".tracking"]
    subprocess.run(words, check=True, cwd=root)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = f"exec {address.shown('sqlite:///mlflow.db')} --workers 1 --port {port}"
    place = f"http://127.0.0.1:{port}/get-artifact?path=split.txt&run_uuid={run.info.run_id}"
    with (tmp_path / "ui.log").open("w") as said:
        ui = subprocess.Popen(
            ["bash", "-c", command], cwd=root, stdout=said, stderr=said, start_new_session=True
        )
    try:
        assert becomes_true(lambda: answer(place) == b"split", within_s=120.0)
    finally:
        os.killpg(ui.pid, signal.SIGKILL)
        ui.wait()


def answer(place: str) -> bytes:
    try:
        with urllib.request.urlopen(place, timeout=10) as file:
            return file.read()
    except OSError:
        return b""
