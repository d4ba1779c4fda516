"""DVC's queue in tests: worked off, and no worker left behind."""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from pipeline.experiments.queue import read_status
from pipeline.tracking.spool import wait_until_written
from tests.stages.conftest import run


@contextmanager
def workers_stopped(folder: Path) -> Iterator[Path]:
    """Whatever happens, no process of the folder's queue outlives the block."""
    try:
        yield folder
    finally:
        run("dvc", "queue", "stop", "--kill", cwd=folder)
        kill_workers(folder)


def kill_workers(folder: Path) -> None:
    """No process of the folder's queue lives, nor of what it ran."""
    for file in (folder / ".dvc/tmp/exps/celery").glob("*.pid"):
        if psutil.pid_exists(int(file.read_text())):
            for process in family(int(file.read_text())):
                process.kill()


def family(process: int) -> list[psutil.Process]:
    one = psutil.Process(process)
    return [one, *one.children(recursive=True)] if "queue-worker" in one.cmdline() else []


def work_off(folder: Path, *, jobs: int, timeout_s: float, **env: str) -> None:
    """Start workers and wait until nothing waits or runs, and MLflow has all of it."""
    # Into a file: the workers would hold a pipe open.
    start = f"dvc queue start --jobs {jobs} > .dvc/tmp/start 2>&1"
    run("sh", "-c", start, cwd=folder, CXR_TRACKING="on", **env)
    until = time.monotonic() + timeout_s
    while any(read_status(run("dvc", "queue", "status", cwd=folder).stdout)):
        assert time.monotonic() < until, run("dvc", "queue", "status", cwd=folder).stdout
        time.sleep(1)
    assert wait_until_written(folder / ".tracking", timeout_s=180.0)


def tracked(folder: Path) -> dict[str, list[str]]:
    """Stages that MLflow holds below each pipeline run, by its name."""
    with sqlite3.connect(folder / "mlflow.db") as store:
        pairs = store.execute(
            "select parent.name, child.name from runs as child "
            "join tags on tags.run_uuid = child.run_uuid and tags.key = 'mlflow.parentRunId' "
            "join runs as parent on parent.run_uuid = tags.value order by child.start_time"
        ).fetchall()
    stages = defaultdict(list)
    for parent, child in pairs:
        stages[parent].append(child)
    return dict(stages)
