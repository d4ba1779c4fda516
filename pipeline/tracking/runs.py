"""One stage's run in a store: what each record of its spool does there."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pipeline.tracking.spool import Record


@runtime_checkable
class Monitor(Protocol):
    """Logs what the machine does."""

    has_given_up: bool

    def start(self) -> None:
        """Begin."""

    def finish(self) -> None:
        """Log no more."""


@runtime_checkable
class Runs(Protocol):
    """What a run needs of the store that it is in (`pipeline.tracking.store.Store`)."""

    def check_experiment(self) -> None:
        """Raise if the experiment was deleted."""

    def log(self, run: str, *, metrics: dict[str, float], step: int, time_ms: int) -> None:
        """Metrics of a step."""

    def tag(self, run: str, name: str, value: str) -> None:
        """A tag."""

    def upload(self, run: str, path: Path) -> None:
        """A file or folder."""

    def monitor(self, run: str) -> Monitor:
        """What logs the machine under `run`."""

    def take_up(self, spool: str, *, parent: str, instead_of: str) -> str | None:
        """The run of an earlier spool, under `parent`, if it is known."""

    def end(self, run: str, status: str, time_ms: int) -> None:
        """End it."""

    def end_pipeline(self, parent: str, time_ms: int) -> None:
        """End the pipeline run."""


NOTE = "mlflow.note.content"
"""The tag that MLflow shows as a run's description."""


class ArtifactGoneError(Exception):
    """The copy that a stage made of an artefact is no longer there."""

    error_code = "RESOURCE_DOES_NOT_EXIST"


class StageRun:
    """One stage's run in a store."""

    def __init__(
        self, store: Runs, name: str, *, parent: str, child: str, ends_itself: bool
    ) -> None:
        self.name = name  # under which it is found again
        self._store, self._parent, self._child = store, parent, child
        self._ends_itself = ends_itself  # the parent, in a record of its own
        self._known_until = 0  # epochs that the run had before this stage went on with it
        self._monitor: Monitor | None = None

    def watch_machine(self) -> None:
        """Log, while the stage runs, what the machine does: cores, memory, disk, network, GPUs."""
        self._leave_machine()
        self._monitor = self._store.monitor(self._child)
        self._monitor.start()

    def apply(self, record: Record, files: Path) -> None:
        """Do what a record says; doing it again changes nothing."""
        match record["kind"]:
            case "metrics":
                self._log_metrics(record)
            case "continues":
                self._continue(record)
            case "artifact":
                self._upload(files / record["path"], self._run_of(record))
            case "named":
                size = f"{record['size_mb']} MB, not copied"
                name = record["path"].lstrip("/")
                self._store.tag(self._run_of(record), f"artifact/{name}", size)
            case "note":
                self._store.tag(self._parent, NOTE, record["text"])
            case "end":
                self._leave_machine()
                self._end(record)

    def check_experiment(self) -> None:
        """Refuse to go on if the experiment was deleted: its runs take nothing meanwhile.

        Raises:
            ExperimentDeletedError: It was.
        """
        self._store.check_experiment()

    def _run_of(self, record: Record) -> str:
        return self._parent if record.get("headline") else self._child

    def _upload(self, path: Path, run: str) -> None:
        if not path.exists():
            raise ArtifactGoneError(f"{path}: the copy of this artefact is gone")
        self._store.upload(run, path)

    def _end(self, record: Record) -> None:
        if "state" in record:
            self._store.tag(self._child, "state", record["state"])
        self._store.end(self._child, record["status"], record["time_ms"])

    def end_pipeline(self, time_ms: int) -> None:
        """Say that no other stage of the pipeline run comes after this one."""
        if not self._ends_itself:
            self._store.end_pipeline(self._parent, time_ms)

    def _continue(self, record: Record) -> None:
        """Let the run of the stage that was stopped go on in this pipeline run, if it is known."""
        earlier = self._store.take_up(record["run"], parent=self._parent, instead_of=self._child)
        if earlier:
            self._child, self._known_until = earlier, record["epoch"]
            self.name = record["run"]
            if self._leave_machine():
                self.watch_machine()

    def _leave_machine(self) -> bool:
        """Log no more of it; whether that was done until now."""
        monitor, self._monitor = self._monitor, None
        if monitor:
            monitor.finish()
        return monitor is not None

    def _log_metrics(self, record: Record) -> None:
        if 0 < record["step"] <= self._known_until:
            return
        when: dict[str, Any] = {"step": record["step"], "time_ms": record["time_ms"]}
        self._store.log(self._child, metrics=record["values"], **when)
        if record.get("headline"):
            self._store.log(self._parent, metrics=record["values"], **when)
        if self._monitor and self._monitor.has_given_up:  # and the store answers again
            self.watch_machine()
