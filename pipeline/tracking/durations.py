"""How long the stages of experiments ran here, as MLflow holds it."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.tracking.address import database_of, for_mlflow, given
from pipeline.tracking.spool import MS_PER_MINUTE, PAUSED
from pipeline.tracking.trouble import reason
from pipeline.tracking.writer import be_quiet

log = logging.getLogger(__name__)

_MOST = 5000
"""Stages of experiments of one commit that are looked at, the latest first."""


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
    database = database_of(given()[0], root)
    if database and not database.exists():
        return {}
    be_quiet()
    try:
        runs = [run for one in baselines for run in _stage_runs(root, one)]
    except Exception as error:  # a server that is away, a file that is none of MLflow's
        log.warning("warning: MLflow does not say how long stages ran: %s", reason(error))
        return {}
    return _summed(runs)


def _stage_runs(root: Path, baseline: str) -> list[Any]:
    from pipeline.tracking.store import opened  # noqa: PLC0415 (seconds)

    uri, experiment = given()
    with opened(for_mlflow(uri, root), database_of(uri, root)) as client:
        found = client.get_experiment_by_name(experiment)
    if found is None:
        return []
    wanted = f"tags.revision = '{baseline}' and tags.stage LIKE '%' and tags.experiment LIKE '%'"
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
