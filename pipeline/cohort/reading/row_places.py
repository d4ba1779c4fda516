"""Shards written in any order: each row goes to its place, by many threads at once."""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from pipeline.base.files import replacing
from pipeline.base.shards import SHARD_ROWS


class RowPlaces:
    """The uint8 rows of a set of shards that is being written; made by `placing`.

    Rows are written with positioned writes, never through a memory map, whose dirty pages
    would count as resident memory.
    """

    def __init__(self, shards: Sequence[io.FileIO], shape: tuple[int, int], shard_rows: int):
        self._shards = shards
        self._shape = shape
        self._shard_rows = shard_rows
        self._row_bytes = shape[0] * shape[1]
        self._start = len(_header(shard_rows, shape))
        self.kept = 0
        """Rows that the finished shards hold; set by `keep`."""

    def write(self, row: int, image: UInt8[np.ndarray, "h w"]) -> None:
        """Put `image` at `row`; safe to call from several threads."""
        if image.shape != self._shape:
            raise ValueError(f"expected an image of shape {self._shape}, got {image.shape}")
        self._put(row, image.tobytes())

    def keep(self, rows: Sequence[int]) -> None:
        """Close the gaps: `rows`, ascending, become rows 0, 1, ... and the rest is dropped."""
        for target, row in enumerate(rows):
            if target != row:
                shard, at = self._place(row)
                self._put(target, os.pread(shard.fileno(), self._row_bytes, at))
        self.kept = len(rows)
        for number, shard in enumerate(self._shards):
            held = min(max(self.kept - number * self._shard_rows, 0), self._shard_rows)
            os.ftruncate(shard.fileno(), self._start + held * self._row_bytes)
            os.pwrite(shard.fileno(), _header(held, self._shape), 0)

    def _put(self, row: int, content: bytes) -> None:
        shard, at = self._place(row)
        written = os.pwrite(shard.fileno(), content, at)
        if written != len(content):
            raise OSError(f"{shard.name}: wrote {written} of {len(content)} bytes; disk full?")

    def _place(self, row: int) -> tuple[io.FileIO, int]:
        shard, within = divmod(row, self._shard_rows)
        return self._shards[shard], self._start + within * self._row_bytes


@contextmanager
def placing(
    folder: Path,
    *,
    rows: int,
    shape: tuple[int, int],
    name: str = "image",
    shard_rows: int = SHARD_ROWS,
) -> Iterator[RowPlaces]:
    """Room for up to `rows` images in `folder/<name>-00000.npy`, ...

    The block writes rows and ends with one call of `keep`; the folder then appears, with the
    same bytes as `write_shards` would have written. Rows never written cost no disk space
    where the file system knows sparse files.
    """
    with replacing(folder) as fresh:
        fresh.mkdir()
        paths = [fresh / f"{name}-{i:05d}.npy" for i in range(-(-rows // shard_rows))]
        with ExitStack() as stack:
            shards = [stack.enter_context(path.open("w+b", buffering=0)) for path in paths]
            places = RowPlaces(shards, shape, shard_rows)
            yield places
        for path in paths[-(-places.kept // shard_rows) :]:
            path.unlink()


def _header(rows: int, shape: tuple[int, int]) -> bytes:
    """What `np.save` writes before the rows; its length does not depend on their number."""
    buffer = io.BytesIO()
    layout = {"descr": "|u1", "fortran_order": False, "shape": (rows, *shape)}
    np.lib.format.write_array_header_1_0(buffer, layout)
    return buffer.getvalue()
