"""Heatmaps: per method float16 shards of raw grids, and one note of where their cells look."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.base.files import read_json
from pipeline.base.grid import Grid
from pipeline.base.shards import Shards, write_shards
from pipeline.errors import ArtifactError

_NOTE = "grid.json"


@dataclass(frozen=True)
class Maps:
    """One method's maps, rows in index order.

    `maps[row]` is float32 `(findings, h, w)`, one finding deep where the method is class-agnostic.
    """

    shards: Shards | np.ndarray
    """Or those of a batch, `(b, findings or 1, h, w)`."""
    grid: Grid

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, row: int) -> np.ndarray:
        return self.shards[row].astype(np.float32)


def write_heatmaps(
    rows: Iterable[Mapping[str, np.ndarray]], folder: Path, *, grid: Grid, features: Path
) -> None:
    """Write the maps of every method; the rows' "pooled" goes to `features` as shards."""
    write_shards(rows, folder, apart={"pooled": features}, notes={_NOTE: grid.about()})


def write_grids(rows: Iterable[Mapping[str, np.ndarray]], folder: Path, *, grid: Grid) -> None:
    """Write the maps of every method."""
    write_shards(rows, folder, notes={_NOTE: grid.about()})


def read_heatmaps(folder: Path) -> dict[str, Maps]:
    """Every method's maps in `folder`, by the method's name.

    Raises:
        ArtifactError: the folder holds no maps, or does not say where their cells look.
    """
    methods = sorted({path.name.rpartition("-")[0] for path in folder.glob("*-*.npy")})
    if not methods:
        raise ArtifactError(f"{folder}: holds no heatmaps (<method>-*.npy)")
    grid = Grid(**read_json(folder / _NOTE))
    return {method: Maps(Shards(folder, name=method), grid) for method in methods}
