"""The graph as DVC reads it: dvc.yaml, filled with the values of params.yaml."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.repo import Repo

from pipeline.errors import ArtifactError


def read_index(root: Path) -> Any:
    """DVC's index of the checkout `root`: `stages`, in the order of dvc.yaml, and their `graph`.

    Raises:
        ArtifactError: DVC cannot read it.
    """
    try:
        index = Repo(str(root)).index
    except DvcException as error:
        raise ArtifactError(f"{root}: DVC cannot read the graph: {error}") from None
    return index


def params_of(stage: Any) -> list[str]:
    """The keys and sections of params files that a stage declares."""
    return [key for dep in stage.deps if isinstance(dep, ParamsDependency) for key in dep.params]


def paths_of(stage: Any) -> list[str]:
    """The paths that a stage declares as deps, code among them."""
    return [dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)]


def covers(declared: Iterable[str], key: str) -> bool:
    """Whether a dotted key, or a section that it is in, is among those declared."""
    return any(f"{key}.".startswith(f"{one}.") for one in declared)
