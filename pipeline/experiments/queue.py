"""DVC's queue of experiments: put into it, worked off, waited for."""

import os
import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from pipeline.base.cores import cores
from pipeline.errors import ExperimentError
from pipeline.graph.dvc_commands import dvc

POLL_S = 10.0
"""Pause between two looks at the queue; one takes DVC a second of a core."""

THREADS = "OMP_NUM_THREADS"
"""Of the environment: what `train.threads: auto` goes by."""

_MOST_STARTS = 5
"""A worker may leave at once, by what was said to one before it; as often as this none does."""

_STATE = Path(".dvc/tmp/exps")
"""Where DVC keeps the queue; what is finished is in git."""

_TASK = re.compile(r"^\w+ +(\S+) .*(Queued|Running|Success|Failed)$", re.M)


class Queue(NamedTuple):
    """What waits and what runs, by name."""

    queued: frozenset[str]
    running: frozenset[str]


def enqueue(name: str, setting: str, root: Path) -> None:
    """Put the workspace with one other setting into the queue, as the experiment `name`.

    Args:
        name: that no experiment of this commit has.
        setting: `seed=8`, as `dvc exp run -S` takes it.
        root: the main checkout.
    """
    dvc("exp", "run", "--queue", "--name", name, "--set-param", setting, root=root)


def ended(
    names: Collection[str], *, jobs: int, root: Path, poll_s: float = POLL_S
) -> Iterator[str]:
    """Let so many workers at a time work the queue off; each of `names` as soon as it has ended.

    Whoever stops waiting stops nothing: workers go on.

    Raises:
        ExperimentError: the worker of what runs is gone, or none comes.
    """
    left, first = list(names), True
    orphaned: set[str] = set()  # at the last look: a worker may start between its two questions
    starts = 0  # without a worker seen, or anything ended
    while left:
        alive = workers(root)  # asked first: a worker may leave when all is done
        queue = read_status(dvc("queue", "status", root=root))
        done = [name for name in left if name not in queue.queued | queue.running]
        yield from done
        left = [name for name in left if name not in done]
        before, orphaned = orphaned, {*left} & queue.running if not alive else set()
        _expect_nothing_lost(before & orphaned)
        starts = 0 if alive or done else starts
        if left and not orphaned and alive < (jobs if first else 1):
            _expect_worker_soon(starts)
            dvc("queue", "start", "--jobs", str(jobs), root=root, env=share_of_cores(jobs))
            starts += 1
        first = False
        if left:
            time.sleep(poll_s)


def share_of_cores(jobs: int) -> dict[str, str]:
    """Of the environment of `jobs` workers: as many threads for each as cores are left to it.

    With a thread for each core in every one of them, two trainings on two cores take several times
    as long as one after the other. One alone, and whoever has said a number, keeps it.
    """
    if jobs == 1 or THREADS in os.environ:
        return {}
    return {THREADS: str(max(cores() // jobs, 1))}


def read_status(text: str) -> Queue:
    """Read what `dvc queue status` printed."""
    tasks = _TASK.findall(text)
    return Queue(
        frozenset(name for name, state in tasks if state == "Queued"),
        frozenset(name for name, state in tasks if state == "Running"),
    )


def workers(root: Path) -> int:
    """How many workers of this checkout's queue live.

    Their processes are looked for: the `Worker status` that DVC prints leaves out a worker that
    does not answer within a second, as on a machine with much to do.
    """
    return sum(map(_is_worker, (root / _STATE / "celery").glob("*.pid")))


def _is_worker(file: Path) -> bool:
    """Whether a file of DVC's names a worker; one that is just being written names none."""
    try:
        process = psutil.Process(int(file.read_text(encoding="utf-8")))
        return "queue-worker" in process.cmdline()
    except (OSError, ValueError, psutil.Error):
        return False


def _expect_worker_soon(starts: int) -> None:
    if starts >= _MOST_STARTS:
        raise ExperimentError(
            f"dvc queue start was called {starts} times, and no worker came; what the last one "
            f"said is in {_STATE}/celery/*.out"
        )


def _expect_nothing_lost(lost: Collection[str]) -> None:
    if lost:
        names = sorted(lost)
        raise ExperimentError(
            f"{', '.join(names)}: counts as running, but its worker was killed. End what it left: "
            f"dvc queue kill {' '.join(names)}; forget the queue, not what is finished: "
            f"rm -r {_STATE}; then run this again"
        )
