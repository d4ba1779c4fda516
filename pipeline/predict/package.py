"""A model as one folder: safetensors and one JSON, nothing of which is a pickle.

```
model.json                     what votes, calibration, thresholds, scores, what it was trained on
familiar.safetensors           what the training images look like
validation.safetensors         what was said of the validation images
<member>/global.safetensors, local.safetensors, fusion.safetensors
finetuned/<member>/fusion.safetensors       of a member whose branches were trained with its head
```

It is the folder of networks of the graph itself, `data/models`, or an export of it.
"""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.base.files import replacing
from pipeline.errors import ArtifactError
from pipeline.fusion.head import Fusion, JointFusion, restore_fusion
from pipeline.fusion.metadata import METADATA, MetadataEncoder
from pipeline.networks.branch import Branch, restore_branch
from pipeline.networks.checkpoints import read_checkpoint
from pipeline.predict.about.description import (
    NOTE,
    Description,
    read_description,
    write_description,
)
from pipeline.predict.about.familiarity import Familiarity, read_familiarity
from pipeline.predict.about.validation import Validation, read_validation
from pipeline.predict.member import Member, Rules

FAMILIAR = "familiar.safetensors"
VALIDATION = "validation.safetensors"


@dataclass(frozen=True)
class Package:
    """A folder that was read."""

    about: Description
    members: dict[str, Member]
    familiar: Familiarity
    validation: Validation

    @property
    def asks(self) -> tuple[str, ...]:
        """What members want to know of a patient: some of METADATA."""
        asked = {name for one in self.members.values() for name in one.asks}
        return tuple(name for name in METADATA if name in asked)


def read_package(folder: Path) -> Package:
    """A model that predicts.

    Raises:
        ArtifactError: a file is missing or damaged, or files of predictions vote with the
            networks.
    """
    about = read_description(folder)
    if about.others:
        raise ArtifactError(
            f"{folder / NOTE}: {', '.join(about.others)} voted by files of predictions, of which "
            "there are none of other images; run the graph with ensemble.extra: []"
        )
    _expect_whole(folder, about)
    rules = Rules(about.heatmap, about.crop, about.flip_at_predict)
    members = {
        name: Member(*read_networks(folder, name, at), rules) for name, at in about.members.items()
    }
    return Package(
        about,
        members,
        read_familiarity(folder / FAMILIAR),
        read_validation(folder / VALIDATION),
    )


def _expect_whole(folder: Path, about: Description) -> None:
    for name, digest in (about.files or {}).items():
        if not (folder / name).is_file():
            raise ArtifactError(
                f"{folder / name}: not there, though {NOTE} names it; copy it whole"
            )
        if _digest(folder / name) != digest:
            raise ArtifactError(
                f"{folder / name}: is not the file that was exported (SHA-256); copy it again"
            )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Networks(NamedTuple):
    """What a member computes with, on the CPU."""

    global_: Branch
    local: Branch
    fusion: Fusion | JointFusion
    encoder: MetadataEncoder


def read_networks(folder: Path, name: str, voting: str) -> Networks:
    """Those of a member.

    Args:
        folder: of a packaged model.
        name: the member's.
        voting: where its fusion head lies below the folder.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    head, about = read_checkpoint(folder / voting / "fusion.safetensors")
    known = about["metadata"]
    return Networks(
        restore_branch(*read_checkpoint(folder / name / "global.safetensors")),
        restore_branch(*read_checkpoint(folder / name / "local.safetensors")),
        restore_fusion(head, about),
        MetadataEncoder(**{**known, "features": tuple(known["features"])}),
    )


_BRANCHES = ("global", "local")


def files_of(folder: Path, about: Description) -> list[str]:
    """What a model is, beside its description, below its folder.

    Raises:
        ArtifactError: a file is missing.
    """
    branches = [f"{name}/{branch}.safetensors" for name in about.members for branch in _BRANCHES]
    heads = [f"{at}/fusion.safetensors" for at in about.members.values()]
    files = [*branches, *heads, FAMILIAR, VALIDATION]
    for file in files:
        if not (folder / file).is_file():
            raise ArtifactError(
                f"{folder / file}: not there; `dvc repro` makes it, `dvc pull` fetches it "
                "where it was pushed"
            )
    return files


def digest_of(folder: Path) -> str:
    """SHA-256 of a model: the same for its folder and for an export, whatever its revision.

    Raises:
        ArtifactError: a file is missing.
    """
    about = read_description(folder)
    said = about.model_copy(update={"revision": None, "files": None})
    found = hashlib.sha256(said.model_dump_json().encode())
    for name in sorted(files_of(folder, about)):
        found.update(f"\n{name} {_digest(folder / name)}".encode())
    return found.hexdigest()


def export_package(
    folder: Path,
    to: Path,
    *,
    revision: str | None,
    finish: Callable[[Path], object] | None = None,
) -> None:
    """Copy a model, and nothing else of its folder, to where there is nothing yet.

    Args:
        folder: `data/models`, or an export.
        to: a new folder.
        revision: of git, that the copy names.
        finish: what is done to the copy before it stands there; if that fails, there is none.

    Raises:
        ArtifactError: a file is missing, or `to` is there.
    """
    about = read_description(folder)
    if to.exists():
        raise ArtifactError(f"{to}: is there already; name a new folder")
    with replacing(to) as fresh:
        files = {}
        for file in files_of(folder, about):
            (fresh / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file, fresh / file)
            files[file] = _digest(fresh / file)
        said = about.model_copy(update={"revision": revision, "files": files})
        write_description(said, fresh / NOTE)
        if finish is not None:
            finish(fresh)
