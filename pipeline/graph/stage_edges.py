"""Which stages of dvc.yaml follow which, members taken together, without asking DVC."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_VALUE = re.compile(r"\$\{([^}]+)\}")

Edges = dict[str, tuple[str, ...]]
"""By the name of each stage, those that it reads from, in the order of dvc.yaml."""


@dataclass(frozen=True)
class Stage:
    """One stage as dvc.yaml spells it, `foreach` unwrapped."""

    desc: str
    each_member: bool
    deps: tuple[str, ...]
    outs: tuple[str, ...]


def read_stages(graph: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Stage]:
    """The stages of dvc.yaml, as loaded, by name.

    Args:
        graph: dvc.yaml.
        params: values under dotted names, for `${ingest.source}`; `${item}` stays.
    """
    return {name: _stage(entry, params) for name, entry in graph["stages"].items()}


def stage_edges(stages: Mapping[str, Stage]) -> Edges:
    """What each stage reads from, also where the path has a `${...}` in it."""
    return {
        name: tuple(
            other for other, made in stages.items() if other != name and _reads(stage, made)
        )
        for name, stage in stages.items()
    }


def reduced(edges: Edges) -> Edges:
    """Without edges that follow from others (the transitive reduction)."""
    return {
        name: tuple(
            one for one in before if not any(one in behind(edges, other) for other in before)
        )
        for name, before in edges.items()
    }


def behind(edges: Edges, name: str) -> set[str]:
    """All stages that one waits for, directly or not."""
    found: set[str] = set()
    todo = [*edges[name]]
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += edges[one]
    return found


def _stage(entry: Mapping[str, Any], params: Mapping[str, Any]) -> Stage:
    body = entry.get("do", entry)
    outs = (one for kind in ("outs", "metrics", "plots") for one in body.get(kind, ()))
    return Stage(
        desc=body["desc"],
        each_member="foreach" in entry,
        deps=tuple(_paths(body.get("deps", ()), params)),
        outs=tuple(_paths(outs, params)),
    )


def _paths(entries: Iterable[Any], params: Mapping[str, Any]) -> list[str]:
    """Of entries some of which carry options."""
    paths = (next(iter(one)) if isinstance(one, Mapping) else one for one in entries)
    return [_VALUE.sub(lambda m: str(params.get(m[1], m[0])), path) for path in paths]


def _reads(stage: Stage, made: Stage) -> bool:
    return any(_overlap(dep, out) for dep in stage.deps for out in made.outs)


def _overlap(one: str, other: str) -> bool:
    """Whether one path may be the other, or hold it."""
    return all(map(_alike, one.split("/"), other.split("/")))


def _alike(one: str, other: str) -> bool:
    """Whether two names may be one: a `${...}` may be any word."""
    return one == other or any(
        re.fullmatch(r"[\w-]+".join(map(re.escape, _VALUE.split(a)[::2])), b)
        for a, b in ((one, other), (other, one))
    )
