"""What batches are gathered from: rows in memory, or on disk until they are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int, Shaped, UInt8
from torch import Tensor
from torch.nn import functional

from pipeline.base.shards import Shards

_CHUNK = 256  # images resized at a time: bounds memory
FORWARD = 128
"""Images per forward pass without gradients."""


@runtime_checkable
class Rows(Protocol):
    """Row i belongs to image i of a split; a tensor is one, `StoredImages` another."""

    @property
    def nbytes(self) -> int:
        """What all rows take in memory."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Int[Tensor, " b"]) -> Shaped[Tensor, "b ..."]: ...

    def to(self, device: torch.device) -> Tensor:
        """All rows, on `device`."""


@dataclass(frozen=True)
class StoredImages:
    """Rows of shards as the network sees them, read and resized when they are asked for."""

    shards: Shards
    rows: Int[np.ndarray, " n"]
    """Of the shards."""
    size: int
    """Side, in pixels."""

    @property
    def nbytes(self) -> int:
        """What all rows take in memory."""
        return len(self.rows) * self.size**2

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Int[Tensor, " b"]) -> UInt8[Tensor, "b 1 s s"]:
        return load_images(self.shards, self.rows[rows.numpy()], size=self.size)

    def to(self, device: torch.device) -> UInt8[Tensor, "n 1 s s"]:
        """All rows, on `device`; elsewhere memory holds one chunk."""
        out = torch.empty((len(self), 1, self.size, self.size), dtype=torch.uint8, device=device)
        for rows in torch.arange(len(self)).split(_CHUNK):
            out[rows[0] : rows[-1] + 1] = self[rows].to(device)
        return out


def resized(images: UInt8[np.ndarray, "n h w"], size: int) -> UInt8[Tensor, "n 1 s s"]:
    """Grey images at `size`, antialiased, rounded to bytes."""
    batch = torch.from_numpy(images).unsqueeze(1)
    if batch.shape[-2:] == (size, size):
        return batch
    return functional.interpolate(batch, size=(size, size), mode="bilinear", antialias=True)


def load_images(shards: Shards, rows: np.ndarray, *, size: int) -> UInt8[Tensor, "n 1 s s"]:
    """The given rows at `size`; memory holds them and one chunk at full resolution."""
    out = torch.empty((len(rows), 1, size, size), dtype=torch.uint8)
    for start in range(0, len(rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        out[part] = resized(shards.gather(rows[part]), size)
    return out


def image_batches(
    shards: Shards, *, size: int, rows: np.ndarray | None = None, batch: int = FORWARD
) -> Iterator[UInt8[Tensor, "b 1 s s"]]:
    """Images in order at `size`, a batch for one forward pass at a time: all, or those `rows`."""
    wanted = np.arange(len(shards)) if rows is None else rows
    for start in range(0, len(wanted), batch):
        yield load_images(shards, wanted[start : start + batch], size=size)
