"""Files of several members, by the member's name, which is the name of their folder."""

from pathlib import Path

import pandas as pd

from pipeline.artifacts.curves import read_curves
from pipeline.artifacts.shards import Shards
from pipeline.artifacts.tables import read_crop_boxes
from pipeline.errors import ArtifactError


def read_heatmaps(folder: Path) -> dict[str, Shards]:
    """Every method's float16 maps in `folder`, by the method's name; rows in index order.

    `maps[method][row]` is `(findings, h, w)`; one finding deep where the method is
    class-agnostic.

    Raises:
        ArtifactError: the folder holds no shards.
    """
    methods = sorted({path.name.rpartition("-")[0] for path in folder.glob("*-*.npy")})
    if not methods:
        raise ArtifactError(f"{folder}: holds no heatmaps (<method>-*.npy)")
    return {method: Shards(folder, name=method) for method in methods}


def read_member_heatmaps(folders: list[Path]) -> dict[str, dict[str, Shards]]:
    """The maps of several members, by the names of their folders."""
    return {folder.name: read_heatmaps(folder) for folder in folders}


def read_member_crops(paths: list[Path]) -> dict[str, pd.DataFrame]:
    """Where several members' crops were cut, by the names of the files."""
    return {path.stem: read_crop_boxes(path) for path in paths}


def read_member_curves(paths: list[Path]) -> dict[str, pd.DataFrame]:
    """Learning curves by system: `.../<member>/<branch>.csv` is `<member>.<branch>`."""
    return {f"{path.parent.name}.{path.stem}": read_curves(path) for path in paths}
