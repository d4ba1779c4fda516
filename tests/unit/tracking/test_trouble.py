"""What goes wrong with MLflow is said in whole sentences."""

import errno
import sqlite3

import pytest

from pipeline.tracking.trouble import reason

REQUESTS = (
    "API request to http://127.0.0.1:9/api/2.0/mlflow/experiments/get-by-name failed with "
    "exception HTTPConnectionPool(host='127.0.0.1', port=9): Max retries exceeded with url: /api"
)


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ValueError(REQUESTS),
            "http://127.0.0.1:9 does not answer; "
            "start that server, or see that it can be reached.",
        ),
        (
            caused(ValueError("(sqlite3...\n[SQL"), sqlite3.OperationalError("disk I/O error")),
            "SQLite says of the store: disk I/O error.",
        ),
        (
            caused(ValueError("no"), sqlite3.OperationalError("database or disk is full")),
            "SQLite says of the store: database or disk is full; make room on its disk.",
        ),
        (OSError(errno.ENOTDIR, "Not a directory", "/a/b"), "/a/b: Not a directory."),
        (ValueError("first\n[SQL: second]"), "first."),
        (ValueError("is it there?"), "is it there?"),
        (ValueError("\n"), "ValueError."),
    ],
)
def test_a_reason_is_one_whole_sentence(error, said):
    assert reason(error) == said


def test_a_long_reason_is_never_cut():
    words = "/a/very/long/path" * 50
    assert reason(ValueError(words)) == f"{words}."
