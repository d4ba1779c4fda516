"""Files of several members: what lies in a folder under the names of those that vote.

Only the named are read: a member that votes no more leaves its files behind.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pipeline.errors import ArtifactError

BRANCHES = ("global", "local", "fusion")

T = TypeVar("T")

STUDIED = "model"
"""The member under study."""

NOT_MEMBERS = (
    "baseline", "ceiling", "delta", "excluded", "metadata_only", "prevalence",
    "shuffled", "test", "val",
)  # fmt: skip
"""What stands beside members and systems in metrics/*.json and is no section of params.yaml."""

SYSTEMS_BESIDE = (*NOT_MEMBERS, "ensemble")
"""Names that who votes from elsewhere may not have either."""


def read_members(
    folder: Path,
    members: Sequence[str],
    read: Callable[[Path], T],
    *,
    stage: str,
    suffix: str = "",
) -> dict[str, T]:
    """What each of the members has in `folder`, as `<member><suffix>`.

    Args:
        folder: of all members.
        members: the named ones.
        read: one member's file or folder.
        stage: that writes it.
        suffix: of the file's name.

    Raises:
        ArtifactError: a named member has no such file.
    """
    return {member: read(_of(member, folder / f"{member}{suffix}", stage)) for member in members}


def read_systems(
    folder: Path,
    members: Mapping[str, str],
    read: Callable[[Path], T],
    *,
    suffix: str,
    branches: Sequence[str] = BRANCHES,
) -> dict[str, T]:
    """What the branches of each bring to the vote, by system: `<member>.<branch>`.

    Args:
        folder: of all members.
        members: the named ones, and the folder in it of each: `voting_folders`.
        read: one file, `<branch><suffix>`.
        suffix: of its name.
        branches: whose files.

    Raises:
        ArtifactError: as in `read_members`.
    """
    systems = {}
    for member, own in members.items():
        stage = "train_fusion" if own == member else "finetune_fusion"
        for branch in branches:
            path = folder / own / f"{branch}{suffix}"
            systems[f"{member}.{branch}"] = read(_of(member, path, stage))
    return systems


def voting_folders(members: Sequence[str], finetuned: Sequence[str]) -> dict[str, str]:
    """Where each brings what it has to the vote, below the folder of all members.

    Args:
        members: all.
        finetuned: of them, those whose fusion was trained through the branches.
    """
    return {name: f"finetuned/{name}" if name in finetuned else name for name in members}


def _of(member: str, path: Path, stage: str) -> Path:
    """`path`, which `stage` writes, once it is sure that it is there."""
    if not path.exists():
        raise ArtifactError(
            f"{path}: not there, though ensemble.members names {member}; `dvc repro` makes it, "
            f"`dvc pull {stage}` fetches it where it was pushed"
        )
    return path
