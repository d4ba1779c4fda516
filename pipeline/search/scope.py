"""What a search may try and what it needs, read from the graph: dvc.yaml, dvc.lock, dvc status."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.lock_file import read_locked
from pipeline.base.members import STUDIED
from pipeline.errors import ArtifactError
from pipeline.graph.code_deps import CHECK
from pipeline.graph.dvc_commands import dvc
from pipeline.graph.index import covers, params_of, paths_of, read_index
from pipeline.guard.declared import is_code

_IDLE = {CHECK, "pretrain_capsnet"}
"""One changes no data, the other has something to do for cascades only, which no search tries."""


@dataclass(frozen=True)
class Stage:
    """A stage of the graph; of one for each member, that of the member under study."""

    target: str
    """As DVC calls it: "split", "train_global@model"."""
    options: dict[str, str]
    """Of its command line."""
    params: list[str]
    """Keys and sections that it reads."""
    deps: list[str]
    """Without code."""
    outs: list[str]


@dataclass(frozen=True)
class Scope:
    """The stage that trains the branch, and those that it builds on."""

    stage: Stage
    before: list[Stage]
    """All of them but `check`, and the pretraining of cascades."""

    def inputs(self) -> dict[str, Path]:
        """What the stage reads, by option."""
        return {
            option: Path(word)
            for option, word in self.stage.options.items()
            if word in {out for stage in self.before for out in stage.outs}
        }

    def why_not(self, key: str) -> str:
        """Why a key cannot be tried; empty if it can."""
        reading = [stage.target for stage in self.before if covers(stage.params, key)]
        if reading:
            return (
                f"cannot be tried: {reading[0]} reads it, so it changes the data that "
                f"{self.stage.target} is trained on; {self._may_be_tried()}"
            )
        if not covers(self.stage.params, key):
            return f"is nothing to {self.stage.target}; {self._may_be_tried()}"
        return ""

    def _may_be_tried(self) -> str:
        own = [
            key for key in self.stage.params if not any(covers(s.params, key) for s in self.before)
        ]
        return f"what is: {', '.join(own)}"

    def targets(self) -> list[str]:
        """The stages that are to be run for the inputs to be there, with all before them."""
        needed = {dep for stage in self.before for dep in stage.deps}
        wanted = {str(path) for path in self.inputs().values()}
        return [
            stage.target
            for stage in self.before
            if wanted & set(stage.outs) and not needed & set(stage.outs)
        ]


def read_scope(branch: str, root: Path) -> Scope:
    """What DVC makes of dvc.yaml and params.yaml below `root`, for the training of a branch."""
    stages = [_stage(one) for one in read_index(root).stages]
    writers = {out: one for one in stages for out in one.outs}
    (stage,) = (one for one in stages if one.target == f"train_{branch}@{STUDIED}")
    found: set[str] = set()
    todo = list(stage.deps)
    while todo:
        one = writers.get(todo.pop())  # what nobody writes comes from outside
        if one and one.target not in _IDLE | found:
            found.add(one.target)
            todo += one.deps
    return Scope(stage, [one for one in stages if one.target in found])


def _stage(one: Any) -> Stage:
    words = shlex.split(one.cmd)[3:]  # python -m stages.<name>
    return Stage(
        one.name,
        {option[2:]: word for option, word in zip(words[::2], words[1::2], strict=True)},
        params_of(one),
        [path for path in paths_of(one) if not is_code(path)],
        [out.def_path for out in one.outs],
    )


def expect_current(scope: Scope, root: Path) -> None:
    """Make sure that what trials read is what `dvc repro` would make of params, code and data.

    Raises:
        ArtifactError: it is not; the message says what to run.
        ExperimentError: DVC cannot tell.
    """
    targets = scope.targets()
    said = dvc("status", "--json", "--with-deps", *targets, root=root)
    of_interest = {stage.target for stage in scope.before}
    stale = [name for name in json.loads(said) if name in of_interest]
    if stale:
        raise ArtifactError(
            f"what trials read is missing or not up to date ({', '.join(stale)}); first run: "
            f"dvc repro {' '.join(targets)}"
        )


def digests(scope: Scope, root: Path) -> dict[str, str]:
    """What dvc.lock has of the inputs, by path."""
    lock = read_locked(root / "dvc.lock")
    known = {
        out["path"]: out["md5"]
        for stage in scope.before
        for out in lock.get(stage.target, {}).get("outs", [])
    }
    return {str(path): known.get(str(path), "") for path in scope.inputs().values()}
