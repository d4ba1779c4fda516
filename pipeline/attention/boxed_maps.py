"""Boxed maps: maps of some images beside their heatmaps, of several kinds, each with its grid."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.attention.heatmaps import Maps, read_heatmaps, write_grids
from pipeline.base.files import read_json, replacing, write_json
from pipeline.base.grid import Grid

_NAMES = "images.json"


@dataclass(frozen=True)
class Mapped:
    """Maps that are still to be written."""

    rows: Iterable[Mapping[str, np.ndarray]]
    """Method to map of each image."""
    grid: Grid


@dataclass(frozen=True)
class BoxedMaps:
    """Maps of some images, or of none."""

    kinds: Mapping[str, Mapping[str, Maps]]
    """By kind, and then by method."""
    rows: Mapping[str, int]
    """Of each image in the maps, by its name."""


def write_boxed_maps(mapped: Mapping[str, Mapped], folder: Path, *, names: Sequence[str]) -> None:
    """Write maps by kind, all of the images that `names` lists, in that order."""
    with replacing(folder) as fresh:
        fresh.mkdir()
        write_json(list(names), fresh / _NAMES)
        for kind, one in mapped.items():
            write_grids(one.rows, fresh / kind, grid=one.grid)


def read_boxed_maps(folder: Path) -> BoxedMaps:
    """What `write_boxed_maps` wrote."""
    names = read_json(folder / _NAMES)
    kinds = sorted(path for path in folder.iterdir() if path.is_dir())
    return BoxedMaps(
        {path.name: read_heatmaps(path) for path in kinds},
        {name: row for row, name in enumerate(names)},
    )
