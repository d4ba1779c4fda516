"""`cxr serve` where it cannot begin."""

import socket
import sys

import pytest

from pipeline.commands.cli import app
from pipeline.predict.service.app import LOOPBACK
from pipeline.predict.service.server import hosts_of, is_loopback, listen


def said_by(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["cxr", "serve", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        app()
    return ended.value.code


def test_a_folder_without_a_model_is_said_in_a_line(monkeypatch, tmp_path):
    assert said_by(monkeypatch, "--model", tmp_path, "--port", 0) == (
        f"error: {tmp_path}: holds no model.json; expected the folder of a packaged model"
    )


def test_a_port_that_is_taken_is_said_before_the_model_is_read(monkeypatch, tmp_path):
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert said_by(monkeypatch, "--model", tmp_path, "--port", port) == (
            f"error: 127.0.0.1, port {port}: address already in use; name others: --host, --port"
        )


def test_a_package_of_the_extra_that_is_missing_is_named_with_the_extra(monkeypatch):
    for name in [one for one in sys.modules if one.startswith("pipeline.predict.service")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "pipeline.commands.serve", raising=False)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert said_by(monkeypatch) == (
        "error: `cxr serve` needs fastapi, which is not installed; `make setup` has it, "
        "elsewhere: pip install 'cxr-pipeline[serve]'"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost", "::1"])
def test_on_loopback_only_names_of_loopback_are_answered(host):
    assert is_loopback(host)
    assert hosts_of(host) == LOOPBACK
    assert hosts_of("0.0.0.0") == hosts_of("192.168.0.9") == ("*",)


def test_the_newer_internet_protocol_is_listened_on_as_well():
    with listen("::1", 0) as at:
        assert at.family == socket.AF_INET6
