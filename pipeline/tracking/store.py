"""A store's runs, found again by their tags: one per pipeline run, its stages nested in it."""

import getpass
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from pipeline.tracking import artifacts
from pipeline.tracking.artifacts import lock_of
from pipeline.tracking.runs import StageRun
from pipeline.tracking.spool import MS_PER_MINUTE, PAUSED, Record, exclusive
from pipeline.tracking.trouble import deleted

_BATCH = 900
"""Entries per request; MLflow refuses more than 1,000 metrics."""

_LONGEST_PARAM = 6000

SEARCH, TRIAL = "search", "trial"
"""Stages of an opening record that are none of the graph."""


@contextmanager
def opened(uri: str, database: Path | None) -> Iterator[MlflowClient]:
    """The store's client; while the block lasts, no other process opens a store that is a file.

    MLflow migrates a SQLite store as it opens it, and two processes that do so at once break
    each other's migration: `duplicate column name`.

    Args:
        uri: As MLflow is told it.
        database: The file of a SQLite store.
    """
    with exclusive(lock_of(database), wait=True) if database else nullcontext():
        yield MlflowClient(tracking_uri=uri)


class Store:
    """One MLflow store, with what it takes to find the runs of a spool again.

    Args:
        uri: As MLflow is told it.
        experiment: Name of the MLflow experiment, made if there is none.
        database: The file of a SQLite store; artefacts lie beside it.

    Raises:
        ExperimentDeletedError: The experiment was deleted.
    """

    def __init__(self, uri: str, experiment: str, *, database: Path | None) -> None:
        with opened(uri, database) as client:
            self.client = client
            self._uri = uri
            self._database = database
            if database:
                artifacts.follow(database)
            # A local store's artifact folder would follow the first process's folder.
            place = artifacts.folder_of(database).as_uri() if database else None
            self.experiment = self._find_or_create_experiment(experiment, place)
        self.check_experiment()

    def _find_or_create_experiment(self, name: str, place: str | None) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self.client.create_experiment(name, artifact_location=place))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            # On a server somebody else was quicker.
            found = self.client.get_experiment_by_name(name)
        return str(found.experiment_id)

    def check_experiment(self) -> None:
        """Refuse to go on if the experiment was deleted.

        It is neither restored, which would bring back every run that somebody did away with, nor
        replaced by another name, under which nobody looks: the reports wait for a decision.

        Raises:
            ExperimentDeletedError: It was; what that says names the remedies.
        """
        found = self.client.get_experiment(self.experiment)
        if found.lifecycle_stage != "active":
            is_file = self._database is not None
            raise deleted(found.name, self.experiment, self._uri, is_file=is_file)

    def open(self, opening: Record, spool: str) -> StageRun:
        """The stage's run and its parent's, as running: found by their tags or created.

        A search's own spool speaks of the parent alone; of a trial the spool says by which name
        it is found again, and the parent does not end with it.
        """
        parent = opening["parent"]
        tags = parent["tags"]
        above = self._find_or_create(
            "pipeline_run",
            parent["key"],
            name=parent["name"],
            tags=tags | {"mlflow.source.name": "dvc.yaml"},
            time_ms=opening["time_ms"],
        )
        known = above.data.params
        unset = {name: value for name, value in parent["params"].items() if name not in known}
        self.log(above.info.run_id, params=unset)
        self.client.update_run(above.info.run_id, status="RUNNING")
        if opening["stage"] == SEARCH:
            return self._run(spool, above, above, ends_itself=True)
        member = opening["options"].get("member")
        own = {
            "mlflow.parentRunId": above.info.run_id,
            "mlflow.source.name": f"stages/{opening['stage']}.py",
            "stage": opening["stage"],
        }
        name = opening.get("run", spool)
        below = self._find_or_create(
            "stage_run",
            name,
            name=opening["title"],
            tags=tags | own | ({"member": member} if member else {}),
            time_ms=opening["time_ms"],
        )
        self.client.update_run(below.info.run_id, status="RUNNING")
        self.log(below.info.run_id, params=parent["params"] | opening["options"])
        return self._run(name, above, below, ends_itself=opening["stage"] == TRIAL)

    def reopen(self, opening: Record, spool: str) -> StageRun | None:
        """The run of a stage whose end is written, as it is; None if somebody deleted it."""
        above = self._find("pipeline_run", opening["parent"]["key"])
        name = opening.get("run", spool)
        below = above if opening["stage"] == SEARCH else self._find("stage_run", name)
        return self._run(name, above or below, below, ends_itself=True) if below else None

    def _run(self, name: str, above: Run, below: Run, *, ends_itself: bool) -> StageRun:
        parent, child = above.info.run_id, below.info.run_id
        return StageRun(self, name, parent=parent, child=child, ends_itself=ends_itself)

    def _find_or_create(
        self, tag: str, value: str, *, name: str, tags: dict[str, str], time_ms: int
    ) -> Run:
        found = self._find(tag, value)
        if found:
            return found
        every = {"mlflow.user": getpass.getuser(), tag: value}
        return self.client.create_run(
            self.experiment, start_time=time_ms, tags=tags | every, run_name=name
        )

    def _find(self, tag: str, value: str) -> Run | None:
        wanted = f"tags.{tag} = '{value}'"
        found = self.client.search_runs([self.experiment], wanted, max_results=1)
        return found[0] if found else None

    def log(
        self,
        run: str,
        *,
        metrics: dict[str, float] | None = None,
        params: dict[str, str] | None = None,
        step: int = 0,
        time_ms: int = 0,
    ) -> None:
        """Log to `run` in as few requests as MLflow allows."""
        points = [Metric(_key(n), v, time_ms, step) for n, v in (metrics or {}).items()]
        for start in range(0, len(points), _BATCH):
            self.client.log_batch(run, metrics=points[start : start + _BATCH])
        words = [Param(_key(n), v[:_LONGEST_PARAM]) for n, v in (params or {}).items()]
        for start in range(0, len(words), 100):
            self.client.log_batch(run, params=words[start : start + 100])

    def tag(self, run: str, name: str, value: str) -> None:
        """Set one tag."""
        self.client.log_batch(run, tags=[RunTag(_key(name), value)])

    def upload(self, run: str, path: Path) -> None:
        """Copy a file, or a folder under its name."""
        if self._database:
            artifacts.claim(self._database, run)
        if path.is_dir():
            self.client.log_artifacts(run, str(path), artifact_path=path.name)
        else:
            self.client.log_artifact(run, str(path))

    def monitor(self, run: str) -> "MachineMonitor":
        """What logs the state of the machine to `run`, behind what is logged of it there."""
        return MachineMonitor(run, resume_logging=True, tracking_uri=self._uri)

    def take_up(self, spool: str, *, parent: str, instead_of: str) -> str | None:
        """Move the run of a spool under another pipeline run, as running again; its id."""
        found = self._find("stage_run", spool)
        if found is None or found.info.run_id == instead_of:
            return None
        earlier: str = found.info.run_id
        self.tag(earlier, "mlflow.parentRunId", parent)
        if found.info.end_time:
            self._log_pause(earlier, found.info.end_time, self.client.get_run(instead_of))
        self.client.update_run(earlier, status="RUNNING")
        self.client.delete_run(instead_of)
        return earlier

    def _log_pause(self, run: str, stopped_ms: int, resumed: Run) -> None:
        """Add the time from one end to the next start to what is known of earlier pauses."""
        now_ms: int = resumed.info.start_time
        known = self.client.get_metric_history(run, PAUSED)
        before = max((pause.value for pause in known if pause.timestamp < now_ms), default=0.0)
        minutes = before + max(now_ms - stopped_ms, 0) / MS_PER_MINUTE
        self.log(run, metrics={PAUSED: minutes}, time_ms=now_ms)

    def end(self, run: str, status: str, time_ms: int) -> None:
        """Say how and when a run ended."""
        self.client.set_terminated(run, status, end_time=time_ms)

    def end_pipeline(self, parent: str, time_ms: int) -> None:
        """Say that a pipeline run ended, as badly as the last run of any of its stages."""
        nested = f"tags.mlflow.parentRunId = '{parent}'"
        newest_first = self.client.search_runs(
            [self.experiment], nested, order_by=["attributes.start_time DESC"]
        )
        last: dict[str, str] = {}
        for run in newest_first:
            last.setdefault(run.info.run_name, run.info.status)
        if "RUNNING" not in last.values():
            bad = [status for status in ("FAILED", "KILLED") if status in last.values()]
            self.end(parent, [*bad, "FINISHED"][0], time_ms)


class MachineMonitor(SystemMetricsMonitor):  # type: ignore[misc]
    """MLflow's, which leaves for good at the first request that fails, and says so here."""

    has_given_up = False

    def monitor(self) -> None:
        """Log until told to finish, or until the store does not answer."""
        super().monitor()
        self.has_given_up = True


def _key(name: str) -> str:
    """`name` in the characters that MLflow allows."""
    return re.sub(r"[^\w\-./ ]", "_", name)[:250]
