"""What our settings for a CPU bring is measured in turns, each in a process of its own."""

from unittest import mock

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import benchmarks.cpu_settings as benchmark
from benchmarks.setup import Amount
from pipeline.networks.device import settle


@pytest.fixture(scope="module")
def command():
    app = benchmark.typer.Typer()
    app.command()(benchmark.main)
    return app


def test_each_setting_has_a_row_with_the_ratio_of_neighbours(monkeypatch, command):
    def rate(backbone, without):
        return 30.0 if without == benchmark.Without() else 20.0

    monkeypatch.setattr(benchmark, "_in_a_process", rate)
    said = CliRunner().invoke(command, ["--backbones", "resnet18"], catch_exceptions=False).stdout
    rows = [line for line in said.splitlines() if line.startswith("| resnet18")]
    assert len(rows) == len(benchmark.SETTINGS)
    assert all("| 20.0 | 30.0 | 1.50 (1.50 to 1.50) |" in row for row in rows)


def test_a_process_has_our_settings_but_for_the_one_left_out(monkeypatch):
    calls = []

    def noted(words, *, env, **_):
        calls.append((words, env))
        return mock.Mock(stdout="12.5\n")

    monkeypatch.setattr(benchmark.subprocess, "run", noted)
    sleeping, autocast = (
        benchmark.SETTINGS[name]
        for name in ("threads that wait sleep at once", "depthwise convolutions as autocast")
    )
    assert benchmark._in_a_process("resnet18", sleeping) == 12.5
    benchmark._in_a_process("resnet18", autocast)
    (words, env), (others, plain) = calls
    assert env["GOMP_SPINCOUNT"] == "0"
    assert plain["GOMP_SPINCOUNT"] == benchmark.WAITS["GOMP_SPINCOUNT"] == "20000"
    assert env[benchmark.TUNABLES] == plain[benchmark.TUNABLES] == benchmark.HUGE_PAGES
    assert others == [*words, "--depthwise-as-autocast"]


@pytest.mark.parametrize(("words", "fp32"), [([], True), (["--depthwise-as-autocast"], False)])
def test_a_rate_is_measured_with_depthwise_convolutions_as_asked(
    monkeypatch, command, words, fp32
):
    def rate(_):
        layer = nn.Conv2d(4, 4, 3, groups=4)
        settle(layer)
        maps = torch.rand(1, 4, 8, 8)
        with torch.autocast("cpu", torch.bfloat16):
            return float(torch.equal(layer(maps), exact(layer, maps)))

    def exact(layer, maps):
        with torch.autocast("cpu", enabled=False):
            return layer(maps).bfloat16()

    monkeypatch.setattr(benchmark, "images_per_second", rate)
    done = CliRunner().invoke(command, ["--of", "resnet18", *words], catch_exceptions=False)
    assert done.stdout == f"{float(fp32)}\n"


def test_a_rate_is_of_a_real_training(monkeypatch):
    monkeypatch.setattr(benchmark, "amount", lambda: Amount(batch=2, steps=2, rounds=1))
    assert benchmark.images_per_second("resnet18") > 0
