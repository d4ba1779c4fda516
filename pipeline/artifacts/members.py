"""Files of several members: what lies in a folder under the names of those that vote.

Only the named are read: a member that votes no more leaves its files behind.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pipeline.artifacts.curves import read_curves
from pipeline.artifacts.heatmaps import Maps, read_heatmaps
from pipeline.artifacts.inspections import Inspected, read_inspections
from pipeline.artifacts.reconstructions import Pretraining, read_reconstructions
from pipeline.artifacts.tables import read_crop_boxes, read_predictions
from pipeline.errors import ArtifactError

BRANCHES = ("global", "local", "fusion")


def read_member_predictions(
    folder: Path, members: Sequence[str], *, branches: Sequence[str] = BRANCHES
) -> dict[str, pd.DataFrame]:
    """Probabilities by system: `<member>/<branch>.parquet` is `<member>.<branch>`.

    Raises:
        ArtifactError: a named member has no such table; this holds for all that follows.
    """
    return {
        f"{member}.{branch}": read_predictions(
            _of(member, folder / member / f"{branch}.parquet", "gather")
        )
        for member in members
        for branch in branches
    }


def read_member_curves(folder: Path, members: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Learning curves by system: `<member>/<branch>.csv` is `<member>.<branch>`."""
    return {
        f"{member}.{branch}": read_curves(_of(member, folder / member / f"{branch}.csv", "gather"))
        for member in members
        for branch in BRANCHES
    }


def read_member_crops(folder: Path, members: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Where the crops of each were cut: `<member>.parquet`."""
    return {
        member: read_crop_boxes(_of(member, folder / f"{member}.parquet", "extract_crops"))
        for member in members
    }


def read_member_heatmaps(folder: Path, members: Sequence[str]) -> dict[str, dict[str, Maps]]:
    """The maps of each: `<member>/`."""
    return {
        member: read_heatmaps(_of(member, folder / member, "extract_crops")) for member in members
    }


def read_member_inspections(folder: Path, members: Sequence[str]) -> dict[str, Inspected]:
    """The closer look at boxed images of each: `<member>/`."""
    return {
        member: read_inspections(_of(member, folder / member, "inspect")) for member in members
    }


def read_member_pretraining(folder: Path, members: Sequence[str]) -> dict[str, Pretraining]:
    """How the CapsNets of those that have a cascade were pretrained: `<member>/`."""
    found = {
        member: read_reconstructions(_of(member, folder / member, "gather")) for member in members
    }
    return {member: one for member, one in found.items() if one is not None}


def _of(member: str, path: Path, stage: str) -> Path:
    """`path`, which `stage` writes, once it is sure that it is there."""
    if not path.exists():
        raise ArtifactError(
            f"{path}: not there, though ensemble.members names {member}; `dvc repro` makes it, "
            f"`dvc pull {stage}` fetches it where it was pushed"
        )
    return path
