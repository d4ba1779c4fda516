"""Experiments beside what they started from, in a table that reads at a glance."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.base.members import STUDIED
from pipeline.errors import ExperimentError
from pipeline.experiments.exp_show import (
    FAILED,
    FINISHED,
    QUEUED,
    UNREADABLE,
    WORKSPACE,
    Experiment,
)
from pipeline.results.terminal.aligned import aligned
from pipeline.results.terminal.spans import gained, within

Minutes = Mapping[tuple[str, str], float]
"""Of stages that ran here, by an experiment's name and the commit that it started from."""

_HEADS = (
    "experiment", "AUROC", "fusion - global", "IoU", "minutes", "changed", "backbones",
)  # fmt: skip

_LEGEND = """
Backbones are global/local, or one name of both, of `model` and of who votes with it. AUROC is the
ensemble's mean over findings on test; fusion - global (mean AUROC) and IoU (of its first
class-specific heatmap) are of `model`. In brackets: 95 %, of a bootstrap over patients. Minutes
are of the stages that ran here, as MLflow holds them: what was skipped, restored or run elsewhere
counts nothing."""

_MOST_CHANGES = 3

Value = Callable[[Experiment, Minutes], float | None]

SORTS: dict[str, Value] = {
    "auroc": lambda one, _: one.figures.get("auroc"),
    "gain": lambda one, _: one.figures.get("gain"),
    "iou": lambda one, _: one.figures.get("iou"),
    "minutes": lambda one, minutes: minutes.get((one.name, one.baseline)),
}
"""What experiments of one commit may be sorted by, the highest first."""


def compare(experiments: Sequence[Experiment], minutes: Minutes, sort: str = "") -> str:
    """The table: each commit, and behind it its experiments.

    Args:
        experiments: as `show` lists them.
        minutes: of those of which it is known.
        sort: a key of `SORTS`; otherwise experiments stand as DVC lists them.

    Raises:
        ExperimentError: there is no such key.
    """
    shown = [one for one in experiments if not _is_known(one, experiments)]
    starts = {one.baseline: one for one in shown if one.is_baseline}
    rows = [_row(one, starts[one.baseline], minutes) for one in _sorted(shown, minutes, sort)]
    return "\n".join([aligned([_HEADS, *rows]), *_hints(shown), _LEGEND])


def baselines(experiments: Sequence[Experiment]) -> list[str]:
    """The commits among them."""
    return [one.revision for one in experiments if one.is_baseline and one.name != WORKSPACE]


def _is_known(one: Experiment, experiments: Sequence[Experiment]) -> bool:
    """Whether it is the workspace, with results that another row has, or with none."""
    others = [other.figures for other in experiments if other.revision != WORKSPACE]
    return one.revision == WORKSPACE and (not one.figures or one.figures in others)


def _sorted(
    experiments: Sequence[Experiment], minutes: Minutes, sort: str
) -> Sequence[Experiment]:
    if not sort:
        return experiments
    if sort not in SORTS:
        raise ExperimentError(f"cannot sort by {sort!r}, expected one of {', '.join(SORTS)}")
    groups = list(dict.fromkeys(one.baseline for one in experiments))

    def place(one: Experiment) -> tuple[int, bool, float]:
        value = SORTS[sort](one, minutes)
        lowest_last = math.inf if value is None else -value
        return groups.index(one.baseline), not one.is_baseline, lowest_last

    return sorted(experiments, key=place)


def _row(one: Experiment, start: Experiment, minutes: Minutes) -> tuple[str, ...]:
    figures = one.figures
    spent = minutes.get((one.name, one.baseline))
    auroc = within(*(figures.get(name) for name in ("auroc", "auroc_low", "auroc_high")))
    return (
        one.name if one.is_baseline else f"  {one.name}",
        auroc if one.state == FINISHED else one.state,
        gained(*(figures.get(name) for name in ("gain", "gain_low", "gain_high"))),
        within(*(figures.get(name) for name in ("iou", "iou_low", "iou_high"))),
        "-" if spent is None else f"{spent:.1f}",
        changes(one.params, start.params),
        backbones(one.params),
    )


def changes(params: Mapping[str, Any], start: Mapping[str, Any]) -> str:
    """`model.global=resnet18`: the params that are others than those of `start`."""
    found = [f"{name}={params[name]}" for name in params if params[name] != start.get(name)]
    found += [f"no {name}" for name in start if name not in params]
    if len(found) > _MOST_CHANGES:
        found = [*found[:_MOST_CHANGES], f"and {len(found) - _MOST_CHANGES} more"]
    return ", ".join(found)


def backbones(params: Mapping[str, Any]) -> str:
    """`mobilenet_v2/resnet18 + 2 x resnet18`: global/local, or one name of both, `model` first."""
    members = params.get("ensemble.members") or [STUDIED]
    if f"{members[0]}.global" not in params:
        return "-"
    pairs = [(str(params.get(f"{m}.global")), str(params.get(f"{m}.local"))) for m in members]
    named = [of if of == at else f"{of}/{at}" for of, at in pairs]
    return " + ".join(f"{n} x {one}" if n > 1 else one for one, n in Counter(named).items())


def _hints(experiments: Sequence[Experiment]) -> list[str]:
    """What to type about what is not finished."""
    hints = [
        f"Why {one.name} failed: dvc queue logs {one.name}" for one in _in(FAILED, experiments)
    ]
    hints += [f"Why {one.name} is unreadable: {one.why}" for one in _in(UNREADABLE, experiments)]
    if _in(QUEUED, experiments):
        hints.append("What is queued runs with: dvc queue start -j 1")
    return ["", *hints] if hints else []


def _in(state: str, experiments: Sequence[Experiment]) -> list[Experiment]:
    return [one for one in experiments if one.state == state]
