"""Stores are opened once, and one that fails is left in peace for a while."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.tracking import stores
from pipeline.tracking.stores import Stores

ROOT = Path("/new")


@pytest.fixture
def asked(monkeypatch):
    """What stands for MLflow: the addresses that it was asked for; `down` is one that fails."""
    places = []

    class Fake:
        def __init__(self, uri):
            places.append(uri)
            if "down" in uri:
                raise OSError("no answer")

        def open(self, opening, spool):
            return f"run of {spool}"

        def reopen(self, opening, spool):
            return None

    monkeypatch.setattr(Stores, "_opened", lambda self, uri, experiment: Fake(uri))
    return places


def opening(uri, **more):
    return {"uri": uri, "experiment": "cxr-pipeline", "root": "/old"} | more


def test_of_many_spools_for_a_store_that_is_down_one_alone_asks_it(asked, monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 29.9, 30.1, 30.2])
    # The name in this module, not the clock of all threads.
    monkeypatch.setattr(stores, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    opened = Stores(ROOT)
    for _ in range(4):
        with pytest.raises(OSError, match="no answer"):
            opened.open_run(opening("http://down"), "a")
    assert asked == ["http://down"]
    with pytest.raises(OSError, match="no answer"):
        opened.open_run(opening("http://down"), "a")
    assert asked == ["http://down"] * 2


def test_a_store_is_opened_once_and_again_when_a_request_failed(asked):
    opened = Stores(ROOT)
    assert [opened.open_run(opening("http://up"), name) for name in "ab"] == [
        "run of a",
        "run of b",
    ]
    assert asked == ["http://up"]
    opened.doubt(opening("http://up"))
    opened.open_run(opening("http://up"), "c")
    assert asked == ["http://up"] * 2


def test_a_run_whose_end_is_written_is_not_made_anew(asked):
    assert Stores(ROOT).open_run(opening("http://up", settled=True), "a") is None


@pytest.mark.parametrize(
    "noted",
    [
        {"root": "/old", "uri": "sqlite:///mlflow.db"},
        {"root": "/old", "uri": "sqlite:////old/mlflow.db"},
        {"artifacts": "/old/mlartifacts", "uri": "sqlite:////old/mlflow.db"},
    ],
)
def test_a_spool_of_a_checkout_that_was_moved_is_for_its_store_as_it_is_now(asked, noted):
    Stores(ROOT).open_run({"experiment": "cxr-pipeline"} | noted, "a")
    assert asked == ["sqlite:///mlflow.db"]
