"""What dvc.yaml declares of a stage, read without DVC, whose import alone takes half a second."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.files import read_yaml

_CODE = ("pipeline/", "stages/")


@dataclass(frozen=True)
class Declared:
    """A stage, for one item of its `foreach` if it has one."""

    name: str
    """As DVC calls it: `train_global@model`."""
    code: tuple[str, ...]
    """Paths of files and folders."""
    params: tuple[str, ...]
    """Keys and sections of params.yaml; an empty one is the whole file."""


def declared_of(stage: str, item: str, root: Path) -> Declared | None:
    """What `root/dvc.yaml` says of a stage; None where there is no such file or stage.

    Args:
        stage: the name of its module.
        item: of `foreach`; empty if it has none.
        root: the folder that DVC runs it in.

    Raises:
        ArtifactError: dvc.yaml is not YAML.
    """
    path = root / "dvc.yaml"
    stages = (read_yaml(path).get("stages") or {}) if path.exists() else {}
    if stage not in stages:
        return None
    body = stages[stage].get("do", stages[stage])
    return Declared(
        name=f"{stage}@{item}" if item else stage,
        code=tuple(str(dep) for dep in body["deps"] if is_code(dep)),
        params=tuple(
            key.replace("${item}", item)
            for entry in body.get("params", [])
            for key in _keys_of(entry)
        ),
    )


def is_code(dep: Any) -> bool:
    """Whether a dep of dvc.yaml is code rather than data."""
    return str(dep).startswith(_CODE)


def _keys_of(entry: Any) -> list[str]:
    """Of `seed`, or of `params.yaml: [seed]`; of `params.yaml:`, the whole file."""
    if isinstance(entry, dict):
        return [key for keys in entry.values() for key in (keys or [""])]
    return [str(entry)]
