"""Paths of artefacts in a store that is a file; MLflow's own stores are in tests/stages."""

import sqlite3
from contextlib import closing

import pytest

from pipeline.tracking import artifacts


def made(folder):
    """A database with the two tables, as far as they matter."""
    folder.mkdir()
    database = folder / "mlflow.db"
    with closing(sqlite3.connect(database)) as store, store:
        store.execute("create table experiments (experiment_id integer, artifact_location text)")
        store.execute(
            "create table runs (run_uuid text, artifact_uri text, experiment_id integer)"
        )
    return database


def put(database, words, *values):
    with closing(sqlite3.connect(database)) as store, store:
        return store.execute(words, values).fetchall()


@pytest.mark.parametrize(
    "place",
    ["s3://bucket/mlartifacts", "mlflow-artifacts:/1", "/data/given", "file:///data/given", None],
)
def test_a_place_that_was_never_beside_the_store_is_left(tmp_path, place):
    database = made(tmp_path / "a")
    put(database, "insert into experiments values (1, ?)", place)
    put(database, "insert into runs values ('r', ?, 1)", place and f"{place}/r/artifacts")
    before = database.read_bytes()
    artifacts.follow(database)
    assert database.read_bytes() == before


def test_a_folder_that_is_reached_by_a_link_is_not_another(tmp_path):
    database = made(tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    place = (tmp_path / "link" / "mlartifacts").as_uri()
    put(database, "insert into experiments values (1, ?)", place)
    put(database, "insert into runs values ('r', ?, 1)", f"{place}/r/artifacts")
    artifacts.follow(database)
    assert put(database, "select artifact_location from experiments") == [(place,)]
    assert put(database, "select artifact_uri from runs") == [(f"{place}/r/artifacts",)]


def test_a_store_that_is_about_to_be_made_is_left(tmp_path):
    (tmp_path / "mlflow.db").touch()
    artifacts.follow(tmp_path / "mlflow.db")
    assert (tmp_path / "mlflow.db").read_bytes() == b""


TABLES = {"logged_models": "artifact_location", "model_versions": "storage_location"}


@pytest.mark.parametrize(
    ("below", "has_come", "follows"),
    [
        ("old/mlartifacts/models/m-1/artifacts", True, True),
        ("old/mlartifacts/models/m-1/artifacts", False, True),  # and is nowhere else
        ("there/mlartifacts/models/m-1/artifacts", False, False),
        ("old/given/models/m-1/artifacts", True, False),
        ("old/mlartifacts/r/artifacts", True, False),
    ],
)
def test_a_model_follows_if_its_files_came_along_or_are_not_where_they_were(
    tmp_path, below, has_come, follows
):
    database = made(tmp_path / "a")
    before = (tmp_path / below).as_uri()
    (tmp_path / "there/mlartifacts/models/m-1/artifacts").mkdir(parents=True)
    new = tmp_path / "a/mlartifacts/models/m-1/artifacts"
    if has_come:
        new.mkdir(parents=True)
    for table, column in TABLES.items():
        put(database, f"create table {table} ({column} text)")
        put(database, f"insert into {table} values (?)", before)
        put(database, f"insert into {table} values ('s3://bucket/models/m-1/artifacts')")
    artifacts.follow(database)
    for table, column in TABLES.items():
        found = [uri for (uri,) in put(database, f"select {column} from {table}")]
        expected = new.as_uri() if follows else before
        assert found == [expected, "s3://bucket/models/m-1/artifacts"]
