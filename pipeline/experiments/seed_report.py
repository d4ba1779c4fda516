"""Mean and spread over seeds beside the bootstrap's intervals, as a table for a terminal."""

from collections.abc import Callable, Mapping, Sequence
from math import isnan

from pipeline.experiments.spread import (
    Measured,
    Metrics,
    aurocs,
    averaged,
    common,
    gains,
    ious,
    spread,
)
from pipeline.results.terminal.aligned import aligned

_LEGEND = """
The seed reaches first weights, batches and augmentation, and the draws of the bootstrap; cohort
and split have seeds of their own, and stay the same. So deviation, range and the interval of the
mean (Student's t over seeds) tell how much training varies, on these test patients; the
bootstrap's intervals tell how much the choice of test patients matters, for these networks. The
last column averages the ends of the seeds' intervals."""

Number = Callable[[float], str]


def seed_report(systems: Mapping[int, Metrics], methods: Mapping[int, Metrics]) -> str:
    """The report; of no seed, that there is none.

    Args:
        systems: metrics/systems.json by seed.
        methods: metrics/methods.json by the same seeds.
    """
    if not systems:
        return "no seed is finished: nothing to report"
    first = next(iter(systems))
    heads = ["mean", "deviation", "range", "95 % of the mean"]
    heads += [f"bootstrap, seed {first}", "bootstrap, mean"]
    parts = [
        ("mean AUROC on test", common([*map(aurocs, systems.values())]), _plain),
        ("differences of it", common([*map(gains, systems.values())]), _signed),
        ("mean IoU", common([*map(ious, methods.values())]), _plain),
    ]
    rows = [row for title, runs, number in parts for row in _part(title, runs, number, heads)]
    seeds = ", ".join(map(str, systems))
    count = f"{len(systems)} seed{'s' if len(systems) > 1 else ''}"
    return f"{count}: {seeds}\n\n{aligned(rows[:-1])}\n{_LEGEND}"


def _part(
    title: str, runs: Mapping[str, Sequence[Measured]], number: Number, heads: list[str]
) -> list[list[str]]:
    """Nothing, or a heading, a row of each name, and an empty one."""
    rows = [[f"  {name}", *_words(runs[name], number)] for name in runs]
    return [[title, *heads], *rows, [""] * (len(heads) + 1)] if rows else []


def _words(runs: Sequence[Measured], number: Number) -> list[str]:
    over = spread([run.value for run in runs])
    return [
        number(over.mean),
        _plain(over.deviation),
        _range(over.least, over.most, number),
        _range(over.low, over.high, number),
        _range(runs[0].low, runs[0].high, number),
        _range(*averaged(runs)[1:], number),
    ]


def _range(low: float | None, high: float | None, number: Number) -> str:
    if low is None or high is None or isnan(low) or isnan(high):
        return "-"
    return f"{number(low)} to {number(high)}"


def _plain(value: float) -> str:
    return "-" if isnan(value) else f"{value:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"
