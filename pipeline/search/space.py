"""The spec of a search: what is tried, how often, how many at a time; read and checked."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from pipeline.params.faults import keys_at, nearest, params_error
from pipeline.params.sections import Positive, Section
from pipeline.params.whole import read_values

FIGURES = 4
"""Significant figures of a number that is drawn: what is printed is then what was tried."""

Draw = Callable[[tuple[Any, ...], np.random.Generator], Any]


def choice(values: tuple[Any, ...], chance: np.random.Generator) -> Any:
    """One of the values."""
    return values[int(chance.integers(len(values)))]


def uniform(bounds: tuple[Any, ...], chance: np.random.Generator) -> float:
    """A number between the bounds."""
    return _rounded(chance.uniform(*bounds))


def loguniform(bounds: tuple[Any, ...], chance: np.random.Generator) -> float:
    """A number between the bounds, each of its orders of magnitude as likely as another."""
    return _rounded(np.exp(chance.uniform(*np.log(bounds))))


def randint(bounds: tuple[Any, ...], chance: np.random.Generator) -> int:
    """A whole number between the bounds, which are among them."""
    low, high = bounds
    return int(chance.integers(low, high, endpoint=True))


def _rounded(value: float) -> float:
    return float(f"{value:.{FIGURES}g}")


DRAWS: dict[str, Draw] = {
    "choice": choice,
    "uniform": uniform,
    "loguniform": loguniform,
    "randint": randint,
}

GRID = "grid"
"""What is not drawn: every value is tried, with every draw of the others."""

_LISTS = ("choice", GRID)


@dataclass(frozen=True)
class Domain:
    """Where the values of a key come from."""

    kind: str
    """A key of DRAWS, or GRID."""
    values: tuple[Any, ...]
    """All of a list, or lower and upper bound; each of them may be tried."""


def _domain(value: Any) -> Domain:
    kinds = [*DRAWS, GRID]
    if not isinstance(value, dict) or len(value) != 1:
        raise PydanticCustomError(
            "domain",
            "must be one of {kinds}, as in {{choice: [16, 32]}} or {{loguniform: [0.0001, 0.01]}}",
            {"kinds": ", ".join(kinds)},
        )
    kind, values = next(iter(value.items()))
    if kind not in kinds:
        fault = f"unknown: {kind}; {nearest(kind, kinds)}"
        raise PydanticCustomError("domain", "{fault}", {"fault": fault})
    if not isinstance(values, list):
        raise PydanticCustomError("domain", f"{kind} must have a list")
    _expect_list(values) if kind in _LISTS else _expect_bounds(kind, values)
    return Domain(kind, tuple(values))


def _expect_list(values: list[Any]) -> None:
    if not values or len({repr(value) for value in values}) < len(values):
        raise PydanticCustomError("domain", "must list one value or more, none of them twice")
    if any(isinstance(value, float) and not math.isfinite(value) for value in values):
        raise PydanticCustomError("domain", "must list finite numbers")


def _expect_bounds(kind: str, values: list[Any]) -> None:
    types = int if kind == "randint" else (int, float)
    numbers = all(isinstance(v, types) and not isinstance(v, bool) for v in values)
    finite = numbers and all(map(math.isfinite, values))
    if not finite or len(values) != 2 or values[0] >= values[1]:
        what = "whole numbers" if kind == "randint" else "numbers (0.0001 or 1.0e-4, not 1e-4)"
        raise PydanticCustomError("domain", f"{kind} must have two {what}, the lower one first")
    if kind == "loguniform" and values[0] <= 0:
        raise PydanticCustomError("domain", "loguniform must begin above 0")


BranchName = Literal["global", "local", "fusion"]


class Resources(Section):
    """What Ray keeps for each trial."""

    cpu: Annotated[float, Field(gt=0)]
    """Cores, and threads that compute."""
    gpu: Annotated[float, Field(ge=0)]
    """GPUs; 0.5 lets two trials share one."""

    @property
    def threads(self) -> int:
        """Whole ones, at least one."""
        return max(int(self.cpu), 1)


class Halving(Section):
    """ASHA: of the trials that have come so far, the worse are stopped (arXiv:1810.05934)."""

    grace: Positive
    """Epochs that every trial has; then, each time that these have become `reduction` times as
    many, it is compared with the others."""
    reduction: Annotated[float, Field(gt=1)]
    """Of `reduction` trials about one goes on."""


class SearchSpec(Section):
    """The whole of search.yaml, or of another file that says what a search tries."""

    branch: BranchName
    """Whose training is tried, of the member under study."""
    trials: Positive
    """Draws; with grids, each of them for every combination of the grids' values."""
    seed: Annotated[int, Field(ge=0)]
    """Of what is drawn."""
    concurrent: Positive
    """Trials at a time, if the resources allow it."""
    resources: Resources
    asha: Halving
    space: Annotated[dict[str, Annotated[Domain, PlainValidator(_domain)]], Field(min_length=1)]
    """Keys of params.yaml with dots, as `dvc exp run -S` takes them, and where their values come
    from."""


def load_search(path: Path) -> SearchSpec:
    """Read and check the spec of a search.

    Raises:
        ParamsError: one line per fault, each with its dotted name.
    """
    values = read_values(path)
    try:
        return SearchSpec.model_validate(values)
    except ValidationError as error:
        names = partial(keys_at, SearchSpec)
        raise params_error(error, file=str(path), names=names) from None
