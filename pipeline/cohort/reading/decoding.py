"""Decode a cohort's radiographs with all cores: threads that take turns at the streams.

Threads suffice: reading, inflating, decoding, resizing and writing all release the GIL, so
that two of them are as fast as two processes, share one small memory, and need no start.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from pipeline.cohort.reading.grey import looks_inverted
from pipeline.cohort.reading.image_files import ImageFile, image_key
from pipeline.cohort.reading.images import decode_grey, resize_square
from pipeline.errors import CohortError

INVERTED = "shown inverted, by their look: air is bright"

IN_FLIGHT = 4
"""Images begun and not yet reported, per worker."""

WriteRow = Callable[[int, UInt8[np.ndarray, "size size"]], None]


@dataclass(frozen=True)
class Decoded:
    """What became of one image file."""

    name: str
    place: str
    row: int | None
    """Where its pixels were written; None for a file that was not asked for."""
    width: int = 0
    height: int = 0
    """Original size in pixels."""
    colour_type: str = ""
    doubt: str | None = None
    """What cannot be told of the image; see `GreyImage`."""
    fault: str | None = None
    """Why there are no pixels."""


def decode_images(
    streams: Sequence[Iterator[ImageFile]],
    rows: Mapping[str, int],
    write: WriteRow,
    *,
    size: int,
    workers: int,
    lateral: bool,
) -> Iterator[Decoded]:
    """Decode, resize and `write` every image whose key is in `rows`; one record per file.

    What is written depends on neither `workers` nor the order of the streams, as every image
    has its row; the order of the records does. Memory is bounded by a few images per worker.
    """
    turns = _Turns(streams)

    def step() -> Decoded | None:
        file = turns.take()
        if file is None:
            return None
        return _decode(file, rows.get(image_key(file.name)), write, size, lateral=lateral)

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the images are spread over the cores, not the rows of one
    try:
        with ThreadPoolExecutor(workers) as pool:
            pending = deque(pool.submit(step) for _ in range(IN_FLIGHT * workers))
            while pending:
                record = pending.popleft().result()
                if record is not None:
                    pending.append(pool.submit(step))
                    yield record
    finally:
        cv2.setNumThreads(threads)


def _decode(
    file: ImageFile, row: int | None, write: WriteRow, size: int, *, lateral: bool
) -> Decoded:
    if row is None or file.content is None:
        return Decoded(file.name, file.place, None)
    try:
        image = decode_grey(file.read(), lateral=lateral)
    except CohortError as error:
        return Decoded(file.name, file.place, row, fault=str(error))
    except OSError as error:
        return Decoded(file.name, file.place, row, fault=f"cannot be read ({error.strerror})")
    cached = resize_square(image.pixels, size)
    write(row, cached)
    height, width = image.pixels.shape
    doubt = image.doubt or (INVERTED if looks_inverted(cached) else None)
    return Decoded(file.name, file.place, row, width, height, image.colour_type, doubt)


class _Turns:
    """Iterators shared by threads; each is advanced by one thread at a time.

    The one used last is taken first, so that about as many archives are open as there are
    threads.
    """

    def __init__(self, streams: Sequence[Iterator[ImageFile]]) -> None:
        self._idle: queue.LifoQueue[Iterator[ImageFile] | None] = queue.LifoQueue()
        self._left = len(streams)
        self._lock = threading.Lock()
        for stream in (*reversed(streams), *([] if streams else [None])):
            self._idle.put(stream)

    def take(self) -> ImageFile | None:
        """The next file of an idle stream; None when all streams are at their end."""
        while (stream := self._idle.get()) is not None:
            file = self._advance(stream)
            if file is not None:
                self._idle.put(stream)
                return file
        self._idle.put(None)
        return None

    def _advance(self, stream: Iterator[ImageFile]) -> ImageFile | None:
        file = None
        try:
            file = next(stream, None)
        finally:
            if file is None:  # at its end or broken: the last one wakes whoever waits
                with self._lock:
                    self._left -= 1
                    if self._left == 0:
                        self._idle.put(None)
        return file
