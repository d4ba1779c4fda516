"""dvc.lock: what DVC keeps of each stage's last run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.base.files import read_yaml
from pipeline.errors import ArtifactError


def read_locked(path: Path) -> dict[str, Any]:
    """The stages of a lock file by name; none where it is not there or of no run yet.

    Raises:
        ArtifactError: it is not what DVC writes.
    """
    return locked_stages(read_yaml(path), name=str(path)) if path.exists() else {}


def locked_stages(lock: Any, *, name: str = "dvc.lock") -> dict[str, Any]:
    """The stages of what a lock file holds; none where that is its schema alone.

    Raises:
        ArtifactError: it is not what DVC writes.
    """
    stages = lock.get("stages", {}) if isinstance(lock, Mapping) else None
    if not isinstance(stages, Mapping):
        found = type(lock if stages is None else stages).__name__
        raise ArtifactError(
            f"{name}: holds a {found} in place of DVC's stages; `git checkout dvc.lock` brings "
            "back what was committed, without it `dvc repro` writes a new one"
        )
    return dict(stages)
