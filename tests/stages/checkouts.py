"""Checkouts with a store that is a file: a stage reports there, and a writer carries it."""

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline import tracking
from pipeline.tracking import session, writer
from pipeline.tracking.launch import spool_folder
from pipeline.tracking.spool import spools

QUIET = writer.QUIET | {"CXR_TRACKING": "on"}


@dataclass(frozen=True)
class Checkout:
    """One at `root`, used from this process."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "mlflow.db"

    def begin(self, stage: str):
        """A stage that reports, for a `with` statement."""
        return tracking.stage([f"stages/{stage}.py"])

    def report(self, stage: str) -> None:
        """A whole stage, with an epoch and a file of its name."""
        file = self.root / f"{stage}.txt"
        file.write_text(stage)
        with self.begin(stage):
            tracking.log_metrics({"auroc": 0.75})
            tracking.log_artifact(file)

    def write(self) -> set[Path]:
        """Let a new writer carry what waits; the spools that it had to leave."""
        forget()
        return writer.Writer(spool_folder(self.root)).run()

    def waiting(self) -> list[Path]:
        return spools(spool_folder(self.root))

    def client(self):
        from mlflow import MlflowClient  # noqa: PLC0415 (seconds, which other tests need not wait)

        forget()
        return MlflowClient(f"sqlite:///{self.database}")

    def runs(self) -> dict:
        """The stages' runs by name."""
        client = self.client()
        numbers = [experiment.experiment_id for experiment in client.search_experiments()]
        found = client.search_runs(numbers, "tags.stage LIKE '%'")
        return {run.info.run_name: run for run in found}

    def texts(self) -> dict[str, str]:
        """Of each stage's run the file, as MLflow itself finds it."""
        client = self.client()
        found = {}
        for name, run in self.runs().items():
            files = [file.path for file in client.list_artifacts(run.info.run_id)]
            for file in files:
                copy = client.download_artifacts(run.info.run_id, file)
                found[name] = Path(copy).read_text()
        return found


def use(monkeypatch, root: Path) -> Checkout:
    """The checkout at `root`, as that of this process."""
    for name in [n for n in os.environ if n.startswith(("MLFLOW_", "DVC_"))]:
        monkeypatch.delenv(name)
    for name, value in (QUIET | {"DVC_ROOT": str(root)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(session, "start_writer", lambda folder: None)
    root.mkdir(exist_ok=True)
    monkeypatch.chdir(root)
    return Checkout(root)


def forget() -> None:
    """MLflow remembers by a run's id where its artefacts are, and here checkouts share runs."""
    from mlflow.tracking._tracking_service import utils  # noqa: PLC0415 (seconds)

    utils._artifact_repos_cache.clear()
