"""How long the stages of experiments ran here, as MLflow holds it."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.tracking.address import database_of, for_mlflow, given
from pipeline.tracking.spool import MS_PER_MINUTE, PAUSED
from pipeline.tracking.trouble import reason
from pipeline.tracking.writer import be_quiet

log = logging.getLogger(__name__)

_MOST = 5000
"""Stages that are looked at, the latest first."""


def minutes_spent(baselines: Iterable[str], root: Path) -> dict[tuple[str, str], float]:
    """Minutes that the stages of each experiment ran, by its name and its baseline.

    Of an experiment that was run anew under its name with other params, the last run counts.
    Stages that were skipped or restored have no run, and one that runs has not ended: they count
    nothing, nor does the time between the end of a training and its going on. A store that is not
    there, or does not answer, knows of none.

    Args:
        baselines: commits that the experiments started from.
        root: the main checkout.
    """
    return _summed(
        _told(lambda: [run for one in baselines for run in _stage_runs(root, one)], root)
    )


def _told(ask: Callable[[], list[Any]], root: Path) -> list[Any]:
    """Runs; none of a store that is not there, or does not answer."""
    database = database_of(given()[0], root)
    if database and not database.exists():
        return []
    be_quiet()
    try:
        return ask()
    except Exception as error:  # a server that is away, a file that is none of MLflow's
        log.warning("warning: MLflow does not say how long stages ran: %s", reason(error))
        return []


class LastRuns(NamedTuple):
    """The last run of each stage and member."""

    stages: int
    minutes: float


def last_runs(root: Path) -> LastRuns | None:
    """What it took to make what the workspace holds, so far as MLflow knows; None of nothing.

    Stages that were restored from a cache or a remote have no run.

    Args:
        root: the main checkout.
    """
    runs = _told(lambda: _finished(root), root)
    last: dict[str, Any] = {}
    for run in sorted(runs, key=lambda one: int(one.info.start_time)):
        last[run.info.run_name] = run
    return LastRuns(len(last), _minutes(list(last.values()))) if last else None


def _finished(root: Path) -> list[Any]:
    """Stages of `dvc repro`: an experiment's results are in the workspace once it is applied."""
    runs = _search(root, "tags.stage LIKE '%' and attributes.status = 'FINISHED'")
    return [run for run in runs if "experiment" not in run.data.tags]


def _stage_runs(root: Path, baseline: str) -> list[Any]:
    wanted = f"tags.revision = '{baseline}' and tags.stage LIKE '%' and tags.experiment LIKE '%'"
    return _search(root, wanted)


def _search(root: Path, wanted: str) -> list[Any]:
    from pipeline.tracking.store import opened  # noqa: PLC0415 (seconds)

    uri, experiment = given()
    with opened(for_mlflow(uri, root), database_of(uri, root)) as client:
        found = client.get_experiment_by_name(experiment)
    if found is None:
        return []
    runs: list[Any] = client.search_runs([found.experiment_id], wanted, max_results=_MOST)
    return runs


def _summed(runs: Iterable[Any]) -> dict[tuple[str, str], float]:
    stages: dict[tuple[str, str], dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        tags = run.data.tags
        name = tags["experiment"], tags["revision"]
        stages[name][tags["mlflow.parentRunId"]].append(run)
    return {name: _minutes(max(runs.values(), key=_began)) for name, runs in stages.items()}


def _began(stages: list[Any]) -> int:
    return min(int(stage.info.start_time) for stage in stages)


def _minutes(stages: list[Any]) -> float:
    ended = [stage for stage in stages if stage.info.end_time and stage.info.status != "RUNNING"]
    spent: float = sum(
        (stage.info.end_time - stage.info.start_time) / MS_PER_MINUTE
        - stage.data.metrics.get(PAUSED, 0.0)
        for stage in ended
    )
    return spent
