"""Trials: params.yaml with some of its values replaced, proposed by a seed, checked beforehand."""

import copy
import difflib
import itertools
import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.base.members import STUDIED
from pipeline.errors import ParamsError
from pipeline.params.names import is_cascade
from pipeline.params.whole import Params, parse_params
from pipeline.search.scope import Scope
from pipeline.search.space import DRAWS, GRID, Resources, SearchSpec
from pipeline.tracking.origin import flatten


@dataclass(frozen=True)
class Trial:
    """One proposal."""

    name: str
    """t001, t002, ... in the order in which they are begun."""
    changes: dict[str, Any]
    """Values by dotted key."""

    def params(self, base: dict[str, Any], *, of: str) -> Params:
        """The params of this trial; `of` opens each line of an error."""
        return parse_params(changed(base, self.changes), name=of)


def propose(spec: SearchSpec) -> list[Trial]:
    """All trials of a search: the same for the same spec, none of them twice.

    More `trials` continue the same list.
    """
    chance = np.random.default_rng(spec.seed)
    grids = {key: one.values for key, one in spec.space.items() if one.kind == GRID}
    found: dict[str, dict[str, Any]] = {}
    for _ in range(spec.trials):
        drawn = {
            key: DRAWS[one.kind](one.values, chance)
            for key, one in spec.space.items()
            if one.kind != GRID
        }
        for combination in itertools.product(*grids.values()):
            values = drawn | dict(zip(grids, combination, strict=True))
            changes = {key: values[key] for key in spec.space}
            found.setdefault(repr(changes), changes)
    return [Trial(f"t{i:03d}", changes) for i, changes in enumerate(found.values(), start=1)]


def expect_possible(
    spec: SearchSpec, trials: list[Trial], base: dict[str, Any], scope: Scope, *, name: str
) -> None:
    """Make sure, before anything starts, that every trial can be trained.

    Args:
        spec: what proposed the trials.
        trials: the proposals.
        base: the values of params.yaml.
        scope: what may be tried.
        name: of the spec's file; opens each line of the error.

    Raises:
        ParamsError: a key is unknown or none that may be tried, a value that no trial could
            have, or values that cannot go together.
    """
    faults = [fault for key in spec.space if (fault := _fault_of_key(key, base, scope))]
    faults = faults or [
        fault
        for key, domain in spec.space.items()
        for value in domain.values
        if (fault := _fault_of_value(key, value, trials, base))
    ]
    if faults:
        raise ParamsError("\n".join(f"{name}: {fault}" for fault in faults))
    for trial in trials:
        params = trial.params(base, of=f"{name}: {trial.name}: {_words(trial.changes)}")
        _expect_no_cascade(params, spec.branch, name=f"{name}: {trial.name}")
        _expect_one_process(params, spec.resources, name=f"{name}: {trial.name}")


def _fault_of_key(key: str, base: dict[str, Any], scope: Scope) -> str:
    known = flatten(base)
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "expected a key of params.yaml, with dots"
        return f"space.{key}: unknown key; {hint}"
    reason = scope.why_not(key)
    return f"space.{key}: {reason}" if reason else ""


def _fault_of_value(key: str, value: Any, trials: list[Trial], base: dict[str, Any]) -> str:
    """What is said of a value with which none of the trials would be possible."""
    fault = ""
    for trial in trials:
        try:
            Trial(trial.name, trial.changes | {key: value}).params(base, of="space")
        except ParamsError as error:
            fault = fault or str(error).replace("space: ", "space.")
        else:
            return ""
    return fault


def _expect_no_cascade(params: Params, branch: str, *, name: str) -> None:
    member = params.members[STUDIED]
    backbones = [member.global_] if branch == "global" else [member.global_, member.local]
    cascade = next(filter(is_cascade, backbones), "")
    if cascade:
        raise ParamsError(
            f"{name}: {cascade} is a cascade, whose CapsNet is pretrained by another stage; a "
            "search tries backbones without _capsnet (a cascade: dvc exp run --queue)"
        )


def _expect_one_process(params: Params, resources: Resources, *, name: str) -> None:
    """Make sure that a trial computes as its stage would, with what it is given."""
    if params.train.devices > 1:
        raise ParamsError(
            f"{name}: train.devices is {params.train.devices}; a trial is one process, so search "
            "with 1 (resources.gpu says what each has)"
        )
    if params.train.threads not in ("auto", resources.threads):
        raise ParamsError(
            f"{name}: train.threads is {params.train.threads} and resources.cpu "
            f"{resources.cpu:g}, and a trial computes with as many threads as its stage would; "
            "make them alike, or say train.threads: auto"
        )


def changed(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Nested values with those of some dotted keys replaced."""
    values = copy.deepcopy(base)
    for key, value in changes.items():
        *sections, leaf = key.split(".")
        inner = values
        for section in sections:
            inner = inner[section]
        inner[leaf] = value
    return values


def reproducing_line(changes: dict[str, Any]) -> str:
    """The command that runs the pipeline with the params of a trial."""
    settings = [f"{key}={as_word(value)}" for key, value in changes.items()]
    return shlex.join(["dvc", "exp", "run", *(word for one in settings for word in ("-S", one))])


def as_word(value: Any) -> str:
    """A value as `dvc exp run -S` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return np.format_float_positional(value, trim="0")
    if isinstance(value, list):
        return f"[{','.join(as_word(one) for one in value)}]"
    return "null" if value is None else str(value)


def _words(changes: dict[str, Any]) -> str:
    return ", ".join(f"{key} {as_word(value)}" for key, value in changes.items())
