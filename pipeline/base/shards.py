"""Shards: `.npy` files of many rows each, memory-mapped; deterministic bytes, few files."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from itertools import count, islice
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import pandas as pd

from pipeline.base.files import replacing, write_json
from pipeline.errors import ArtifactError

SHARD_ROWS = 2048
"""Rows of a shard: 512 MiB at 512 px. Row i of a cohort is row `i % SHARD_ROWS` of shard
`i // SHARD_ROWS`."""


def write_shards(
    rows: Iterable[Mapping[str, np.ndarray]],
    folder: Path,
    *,
    apart: Mapping[str, Path] | None = None,
    notes: Mapping[str, Any] | None = None,
    shard_rows: int = SHARD_ROWS,
) -> int:
    """Write each key of the rows as `folder/<key>-00000.npy`, ...; the number of rows written.

    Memory is bounded by one shard of every key. Folders appear only when all rows are written.
    Every row has the same keys, and arrays of one key have one shape.

    Args:
        rows: key to array.
        folder: of all keys but those that are named in `apart`.
        apart: keys that go to a folder of their own.
        notes: JSON that is written into `folder`, by file name.
        shard_rows: rows of a shard.
    """
    apart = apart or {}
    written = 0
    rows = iter(rows)
    with ExitStack() as stack:
        fresh = {path: stack.enter_context(replacing(path)) for path in (folder, *apart.values())}
        for path in fresh.values():
            path.mkdir()
        for name, note in (notes or {}).items():
            write_json(note, fresh[folder] / name)
        for shard in count():
            block = list(islice(rows, shard_rows))
            if not block:
                break
            for name in block[0]:
                path = fresh[apart.get(name, folder)] / f"{name}-{shard:05d}.npy"
                np.save(path, np.stack([row[name] for row in block]))
            written += len(block)
    return written


class Shards:
    """Read-only rows of one named set of shards, memory-mapped.

    `len(shards)` is the number of rows, `shards[i]` row i, `shards.gather(rows)` a copy of many.
    """

    def __init__(self, folder: Path, name: str = "image") -> None:
        paths = sorted(folder.glob(f"{name}-*.npy"))
        if not paths:
            raise ArtifactError(f"{folder}: holds no {name}-*.npy")
        self._maps = [_mapped(path) for path in paths]
        self._starts = np.cumsum([0] + [len(m) for m in self._maps])
        self.shape: tuple[int, ...] = (int(self._starts[-1]), *self._maps[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> np.ndarray:
        shard = int(np.searchsorted(self._starts, row, side="right")) - 1
        return np.asarray(self._maps[shard][row - self._starts[shard]])

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Copies of `rows`, in the order asked for."""
        out = np.empty((len(rows), *self.shape[1:]), self._maps[0].dtype)
        shards = np.searchsorted(self._starts, rows, side="right") - 1
        for shard in np.unique(shards):
            here = shards == shard
            out[here] = self._maps[shard][rows[here] - self._starts[shard]]
        return out


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except (OSError, ValueError, EOFError, SyntaxError, TokenError, TypeError) as error:
        # a header is a literal of Python, and damaged in as many ways
        # numpy's advice for a file that is not its own is to allow pickles: not for us
        reason = "holds no array" if "pickle" in str(error) else str(error)
        raise ArtifactError(f"{path}: not a whole .npy file ({reason})") from None


def expect_rows(found: int, index: pd.DataFrame, *, of: str) -> None:
    """Make sure that shards belong to an index: row i of one is row i of the other.

    Raises:
        ArtifactError: their numbers differ.
    """
    if found != len(index):
        raise ArtifactError(
            f"{of}: {found:,} rows for the {len(index):,} images of the index; run the stage "
            "that writes them again"
        )
