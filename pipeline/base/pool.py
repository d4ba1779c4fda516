"""Work spread over processes: results in order, memory bounded, bytes the same for any count."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

import cv2

from pipeline.base.cores import cores

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger(__name__)

_CHUNK = 16
_AHEAD = 3  # chunks per worker that may wait for their reader


def map_ordered(
    function: Callable[[Item], Result], items: Sequence[Item], *, workers: int
) -> Iterator[Result]:
    """`function` of every item, in order.

    Args:
        function: Picklable; depends on its item only.
        items: What to work on.
        workers: Processes; 0 means one per core. Few items are not worth starting any. Where the
            system refuses what processes share, it is this one.
    """
    workers = min(workers or cores(), len(items) // (2 * _CHUNK))
    processes = _processes(workers) if workers > 1 else None
    if processes is None:
        yield from map(function, items)
        return
    chunks = (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
    with processes as pool:
        waiting: deque[Future[list[Result]]] = deque(
            pool.submit(_map_chunk, function, chunk) for chunk in islice(chunks, _AHEAD * workers)
        )
        while waiting:
            yield from waiting.popleft().result()
            waiting.extend(pool.submit(_map_chunk, function, chunk) for chunk in islice(chunks, 1))


def _processes(workers: int) -> ProcessPoolExecutor | None:
    """None where there is no shared memory for the locks between them: some containers."""
    try:
        # Spawned, not forked: the caller may run threads.
        return ProcessPoolExecutor(workers, get_context("spawn"), initializer=_one_thread)
    except OSError as error:
        log.warning(
            "warning: works in one process, for /dev/shm cannot be used: %s", error.strerror
        )
        return None


def _map_chunk(function: Callable[[Item], Result], chunk: Sequence[Item]) -> list[Result]:
    return [function(item) for item in chunk]


def _one_thread() -> None:
    cv2.setNumThreads(1)
