"""`python -m benchmarks.scale`: what is measured of a command, of the graph, and the table."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.costs import cost_of
from benchmarks.scale import AGAIN, ALL, run_size, stages_of, table


def made(images: int, seconds: float, *, growth: float) -> dict:
    grown = {"seconds": 10 + seconds * images**growth, "cpu_seconds": 1.0, "disk_bytes": 5e8}
    fixed = {"seconds": 3.0, "cpu_seconds": 2.0, "disk_bytes": 0}
    stages = {
        "train@a": grown | {"peak_bytes": 2**30},
        "train@b": grown | {"peak_bytes": 2**31},
        AGAIN: fixed | {"peak_bytes": 2**29},
    }
    return {"images": images, "minutes": 1.0, "stages": stages}


@pytest.mark.parametrize("growth", [1, 1.5, 2])
def test_the_table_tells_how_the_time_of_a_stage_grows(growth):
    runs = [made(size, 0.001, growth=growth) for size in (1_000, 10_000, 100_000)]
    head, _, train, again, whole = (line.split(" | ") for line in table(runs).splitlines())
    assert head[1:5] == ["s at 1,000", "s at 10,000", "s at 100,000", "exponent"]
    assert float(train[4]) == pytest.approx(growth, abs=0.02)  # small beside the least size
    assert train[0] == "| train"  # both members, in one line
    assert float(train[2]) == pytest.approx(2 * (10 + 0.001 * 10_000**growth), abs=0.05)
    assert train[6:] == ["2.00", "1.00 |"]
    assert again[1:5] == ["3.0", "3.0", "3.0", "0"]
    assert whole[0] == f"| {ALL}"
    assert float(whole[3]) == pytest.approx(float(train[3]) + 3.0, abs=0.06)


def test_a_command_is_measured_with_what_it_starts(tmp_path):
    busy = "import time; x = bytearray(300_000_000); t = time.process_time()\n"
    busy += "while time.process_time() < t + 0.3: pass"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    cost = cost_of([sys.executable, "-c", outer], tmp_path, log=tmp_path / "log")
    assert cost.peak_bytes > 300_000_000
    assert cost.cpu_seconds > 0.3
    assert cost.seconds > 0.3


def test_a_small_command_is_not_as_large_as_what_measures_it(tmp_path):
    large = bytearray(200_000_000)
    assert (
        cost_of(["sleep", "0"], tmp_path, log=tmp_path / "log").peak_bytes
        < 50_000_000
        < len(large)
    )


def test_a_command_that_fails_is_no_measurement(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        cost_of([sys.executable, "-c", "raise SystemExit('no')"], tmp_path, log=tmp_path / "log")
    assert "no" in (tmp_path / "log").read_text()


@pytest.mark.slow
@pytest.mark.xdist_group("pipeline")
def test_every_stage_of_the_graph_is_run(finished: Path, tmp_path: Path):
    root = tmp_path / "checkout"
    shutil.copytree(finished, root, symlinks=True)
    found = run_size(root, 80)
    assert found["images"] > 80
    stages = stages_of(root)
    assert [*found["stages"]] == [*stages, AGAIN]
    assert {"ingest", "train_global@model", "extract_crops@second", "report"} <= {*stages}
    assert all(one["cpu_seconds"] > 0 for one in found["stages"].values())
    assert found["stages"]["ingest"]["disk_bytes"] > 100_000
    assert "Running stage" not in (root / "scale.log").read_text().rpartition("report")[2]
