"""Where a store is: the same file for the pipeline, for MLflow and for a person's shell."""

import os
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from pipeline.tracking import address

ROOT = Path("/checkout")


@pytest.mark.parametrize(
    ("uri", "database"),
    [
        ("sqlite:///mlflow.db", "/checkout/mlflow.db"),
        ("sqlite:///runs/all.db?timeout=60", "/checkout/runs/all.db"),
        ("sqlite:////elsewhere/mlflow.db", "/elsewhere/mlflow.db"),
        ("http://127.0.0.1:5000", None),
        ("postgresql://host/mlflow.db", None),
    ],
)
def test_a_relative_path_of_a_database_starts_at_the_checkout(uri, database):
    assert address.database_of(uri, ROOT) == (database and Path(database))


def test_without_an_address_the_store_is_a_file_of_the_checkout(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "")
    assert address.given() == ("sqlite:///mlflow.db", "cxr-pipeline")


FOLDERS = st.text(st.sampled_from("a?#%41 ü&='\"+:@"), min_size=1, max_size=8).filter(
    lambda name: name.strip(".")
)


@given(name=FOLDERS, query=st.sampled_from(["", "?timeout=60"]))
def test_mlflow_opens_the_very_file_whatever_the_checkout_is_called(tmp_path_factory, name, query):
    root = tmp_path_factory.getbasetemp().resolve() / name
    root.mkdir(exist_ok=True)
    uri, before = f"sqlite:///mlflow.db{query}", Path.cwd()
    os.chdir(root)
    try:
        url = make_url(address.for_mlflow(uri, root))
        opened, _ = url.get_dialect()().create_connect_args(url)
        assert Path(opened[0]) == root / "mlflow.db" == address.database_of(uri, root)
        assert dict(url.query) == dict(make_url(uri).query)
    finally:
        os.chdir(before)


def test_what_mlflow_cannot_be_told_from_another_folder_is_an_error_that_says_where():
    with pytest.raises(ValueError, match=r"^/a\?b: .* run this in that folder$"):
        address.for_mlflow("sqlite:///mlflow.db", Path("/a?b"))


@pytest.mark.parametrize(
    ("uri", "now"),
    [
        ("sqlite:////old/mlflow.db", "sqlite:///mlflow.db"),
        ("sqlite:////old/runs/all.db", "sqlite:///runs/all.db"),
        ("sqlite:////older/mlflow.db", "sqlite:////older/mlflow.db"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("http://old/mlflow.db", "http://old/mlflow.db"),
    ],
)
def test_a_store_that_lay_in_the_checkout_lies_in_it_after_a_move(uri, now):
    assert address.after_move(uri, Path("/old"), Path("/new")) == now
    assert address.after_move(uri, Path("/new"), Path("/new")) == uri


def test_a_command_is_one_that_a_shell_understands(tmp_path, monkeypatch):
    folder = tmp_path / "a b'c?"
    folder.mkdir()
    monkeypatch.chdir(folder)
    words = shlex.split(address.command("sqlite:///mlflow.db", "gc --backend-store-uri {uri}"))
    assert words[:3] == ["cd", str(folder), "&&"]
    assert words[3:] == [
        "MLFLOW_TRACKING_URI=sqlite:///mlflow.db",
        "mlflow",
        "gc",
        "--backend-store-uri",
        "sqlite:///mlflow.db",
    ]
    absolute = shlex.split(address.command("sqlite:////a b/mlflow.db", "ui"))
    assert absolute == ["MLFLOW_TRACKING_URI=sqlite:////a b/mlflow.db", "mlflow", "ui"]


@pytest.mark.parametrize(
    ("uri", "typed"),
    [
        ("sqlite:///mlflow.db", "mlflow ui --backend-store-uri sqlite:///mlflow.db"),
        ("sqlite:////a b/all.db", "mlflow ui --backend-store-uri 'sqlite:////a b/all.db'"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_what_shows_the_runs_is_of_the_store_that_has_them(uri, typed):
    assert address.shown(uri) == typed
