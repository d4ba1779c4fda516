"""Work spread over processes: results in order, memory bounded, bytes the same for any count."""

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

_CHUNK = 16
_AHEAD = 3  # chunks per worker that may wait for their reader


def map_ordered(
    function: Callable[[Item], Result], items: Sequence[Item], *, workers: int
) -> Iterator[Result]:
    """`function` of every item, in order.

    Args:
        function: Picklable; depends on its item only.
        items: What to work on.
        workers: Processes; 0 means one per core. Few items are not worth starting any.
    """
    workers = min(workers or cores(), len(items) // (2 * _CHUNK))
    if workers <= 1:
        yield from map(function, items)
        return
    chunks = (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
    # Spawned, not forked: the caller may run threads.
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_one_thread) as pool:
        waiting: deque[Future[list[Result]]] = deque(
            pool.submit(_map_chunk, function, chunk) for chunk in islice(chunks, _AHEAD * workers)
        )
        while waiting:
            yield from waiting.popleft().result()
            waiting.extend(pool.submit(_map_chunk, function, chunk) for chunk in islice(chunks, 1))


def _map_chunk(function: Callable[[Item], Result], chunk: Sequence[Item]) -> list[Result]:
    return [function(item) for item in chunk]


def _one_thread() -> None:
    cv2.setNumThreads(1)
