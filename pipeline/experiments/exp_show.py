"""Experiments and the commits that they started from, as `dvc exp show --json` tells of them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.graph.dvc_commands import dvc
from pipeline.results.evaluation.headline import diagnosis
from pipeline.results.localisation.key_figures import key_figures
from pipeline.tracking.origin import flatten, git_says

WORKSPACE = "workspace"

FINISHED, FAILED, RUNNING, QUEUED = "finished", "failed", "running", "queued"
"""States of an experiment; commits and the workspace are finished."""

UNREADABLE = "unreadable"
"""The state of a commit whose params or metrics DVC cannot read."""


@dataclass(frozen=True)
class Experiment:
    """One row of `dvc exp show`."""

    name: str
    """Of a commit its branch, or its short number."""
    revision: str
    """The commit; of what is not finished, DVC's number of the task."""
    baseline: str
    """The commit that it started from; itself, where it is one."""
    state: str
    params: Mapping[str, Any]
    """Of params.yaml, under dotted names."""
    figures: dict[str, float]
    """Of the headline metrics, with intervals where git has them; none unless it is finished."""
    why: str = ""
    """What DVC could not read, of what is unreadable."""

    @property
    def is_baseline(self) -> bool:
        """Whether it is a commit, or the workspace, and no experiment."""
        return self.revision == self.baseline


def show(root: Path, revisions: list[str]) -> list[Experiment]:
    """Ask DVC for the workspace, these commits (HEAD if none) and their experiments."""
    chosen = [word for revision in revisions for word in ("--rev", revision)]
    shown = read_shown(dvc("exp", "show", "--json", *chosen, root=root))
    return [replace(one, figures=one.figures | _intervals(one, root)) for one in shown]


def _intervals(one: Experiment, root: Path) -> dict[str, float]:
    """Of its own results as git holds them; DVC's tables have no room for intervals."""
    if not one.figures:
        return {}
    texts = [
        _text_at(one.revision, f"metrics/{name}.json", root) for name in ("systems", "methods")
    ]
    if not all(texts):
        return {}
    systems, methods = map(json.loads, texts)
    with suppress(KeyError):  # files of another version
        return diagnosis(systems) | key_figures(methods)
    return {}


def _text_at(revision: str, path: str, root: Path) -> str:
    """Of a file that git holds, or that is in the workspace; nothing where it is not."""
    if revision != WORKSPACE:
        return git_says("-C", str(root), "show", f"{revision}:./{path}")
    return (root / path).read_text(encoding="utf-8") if (root / path).exists() else ""


def read_shown(text: str) -> list[Experiment]:
    """Read what `dvc exp show --json` printed: each commit, and its experiments behind it."""
    return [one for entry in json.loads(text) for one in _with_experiments(entry)]


def _with_experiments(entry: dict[str, Any]) -> Iterator[Experiment]:
    baseline = entry["rev"]
    yield _experiment(entry, baseline, {})
    for experiment in entry["experiments"] or ():
        for row in experiment["revs"]:
            yield _experiment(row, baseline, experiment["executor"] or {})


def _experiment(row: dict[str, Any], baseline: str, executor: dict[str, Any]) -> Experiment:
    data = row["data"] or {}
    state = _state(row, executor.get("state"))
    # What runs or has failed still holds the metrics of its baseline, and DVC shows those.
    files = data.get("metrics", {}) if state == FINISHED else {}
    return Experiment(
        name=row["name"] or (WORKSPACE if row["rev"] == WORKSPACE else row["rev"][:7]),
        revision=row["rev"],
        baseline=baseline,
        state=state,
        params=flatten(_joined(data.get("params", {}))),
        figures=_joined(files),
        why=_reason(row["error"]) if state == UNREADABLE else "",
    )


def _reason(error: Any) -> str:
    """The first line of what DVC says was wrong."""
    said = error.get("msg", "") if isinstance(error, dict) else str(error)
    return next(iter(said.splitlines()), "")


def _state(row: dict[str, Any], of_executor: str | None) -> str:
    if of_executor in (FAILED, RUNNING, QUEUED):
        return of_executor
    return UNREADABLE if row["error"] else FINISHED


def _joined(files: dict[str, Any]) -> dict[str, Any]:
    """What the files hold, as one; one that DVC could not read holds nothing."""
    return {name: value for file in files.values() for name, value in file.get("data", {}).items()}
