"""Stages that report to a real `mlflow server`, which hangs, dies and comes back."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from waiting import becomes_true

from pipeline.tracking.launch import spool_folder
from pipeline.tracking.spool import spools, wait_until_written
from tests.stages.tracked import REPOSITORY, Named, start

pytestmark = pytest.mark.slow

EPOCHS = 20
NO_RETRY = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
WARNING = "warning: MLflow does not take"


@dataclass(frozen=True)
class Server:
    """What `mlflow server` keeps in `folder`, at a port that stays the same."""

    folder: Path
    port: int

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self):
        """Its process group's id, once it answers; killed afterwards."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "server.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                    *("--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}"),
                    *("--artifacts-destination", str(self.folder / "artifacts")),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                ],
                cwd=self.folder,
                env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            assert becomes_true(self._answers, within_s=120.0), "no mlflow server"
            yield process.pid
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def runs(self) -> Named:
        """By name, without the date of what was started by hand."""
        client = self.client()
        (experiment,) = [e for e in client.search_experiments() if e.name == "cxr-pipeline"]
        found = client.search_runs([experiment.experiment_id])
        return Named((re.sub(r" \d{4}-.*", " by hand", r.info.run_name), r) for r in found)

    def client(self):
        from mlflow import MlflowClient  # noqa: PLC0415 (seconds, which other tests need not wait)

        return MlflowClient(self.uri)

    def losses(self, run: str) -> list[tuple[int, float]]:
        points = self.client().get_metric_history(self.runs()[run].info.run_id, "train_loss")
        return [(point.step, point.value) for point in points]

    def has_begun(self, run: str) -> bool:
        """Whether the first three epochs have arrived."""
        with suppress(KeyError, ValueError):
            return len(self.losses(run)) == 3
        return False


@dataclass(frozen=True)
class Training:
    """How one went."""

    code: int
    slowest_epoch_s: float
    said: str
    wrote: str
    left_over: int
    """Spools that the server had not taken when the stage and its writer were gone."""


def train_on(started, root: Path) -> Training:
    """Let a training that waits go on to its end."""
    (root / "go").touch()
    code, _, said = started.ended()
    slowest_s = float((root / "slowest").read_text())
    wrote = (root / f"{root.name}.bin").read_text()
    return Training(code, slowest_s, said, wrote, len(spools(spool_folder(root))))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Server(tmp_path_factory.mktemp("server") / "server", port)


@pytest.fixture(scope="module")
def outcome(server, tmp_path_factory):
    """Four stages whose writers reach a new server at once; it hangs under one training, dies
    under another, and is there again for a third stage and for a writer that a person starts."""
    tmp = tmp_path_factory.mktemp("stages")
    roots = {name: tmp / name for name in ("whole", "other", "hung", "killed")}
    env = {"MLFLOW_TRACKING_URI": server.uri} | NO_RETRY
    names = {"whole": "train_global", "other": "split", "hung": "train_local"}
    trainings = {}
    with server.running() as group:
        started = {
            name: start(
                names.get(name, "train_fusion"),
                cwd=root,
                root=root,
                does="train" if name in ("hung", "killed") else "work",
                member=name,
                **env,
                **({"DVC_EXP_NAME": "brave-fox"} if name == "whole" else {}),
            )
            for name, root in roots.items()
        }
        whole = {name: started[name].ended() for name in ("whole", "other")}
        for run in ("train_local hung", "train_fusion killed"):
            assert becomes_true(lambda run=run: server.has_begun(run), within_s=200.0)
        os.killpg(group, signal.SIGSTOP)
        trainings["hung"] = train_on(started["hung"], roots["hung"])
    trainings["killed"] = train_on(started["killed"], roots["killed"])
    with server.running():
        before, back_ms = server.runs(), time.time() * 1000
        later = start("evaluate", cwd=roots["hung"], root=roots["hung"], **env)
        folder = str(spool_folder(roots["killed"]))
        by_hand = [sys.executable, "-m", "pipeline.tracking.writer", folder]
        subprocess.run(by_hand, cwd=REPOSITORY, check=True)
        later.ended()
        assert wait_until_written(spool_folder(roots["hung"]), timeout_s=300.0)
        yield whole, trainings, (before, back_ms)


def test_what_a_stage_says_is_on_the_server_with_its_files(server, outcome):
    whole, _, _ = outcome
    assert [code for code, _, _ in whole.values()] == [0, 0]
    assert not any("warning" in said for _, _, said in whole.values())
    named = server.runs()
    parent, child = named["brave-fox"], named["train_global whole"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert parent.info.status == child.info.status == "FINISHED"
    tags = {"experiment": "brave-fox", "stage": "train_global", "member": "whole"}
    assert child.data.tags.items() >= tags.items()
    assert parent.data.params == {"seed": "7", "global.epochs": "3"}
    assert parent.data.metrics == {"mean_auroc": 0.75}
    assert server.losses("train_global whole") == [(n, pytest.approx(1 / n)) for n in (1, 2, 3)]
    (file,) = server.client().list_artifacts(child.info.run_id)
    assert (file.path, file.file_size) == ("whole.bin", len("weights"))
    assert [path.read_text() for path in server.folder.rglob("whole.bin")] == ["weights"]


@pytest.mark.parametrize("name", ["hung", "killed"])
def test_a_server_that_goes_away_costs_a_training_a_warning_and_no_time(outcome, name):
    training = outcome[1][name]
    assert training.code == 0
    assert training.wrote == "weights"
    assert training.slowest_epoch_s < 3.0  # a request waits 10 s for an answer
    assert training.said.count(WARNING) == training.said.count("warning") == 1
    assert training.left_over == 1


@pytest.mark.parametrize("run", ["train_local hung", "train_fusion killed"])
def test_what_it_did_not_take_arrives_when_it_is_there_again(server, outcome, run):
    """By the writer of a later stage, or by one that a person starts."""
    _, _, (before, back_ms) = outcome
    assert before[run].info.status == "RUNNING"
    now = server.runs()[run]
    assert server.losses(run) == [(n, pytest.approx(1 / n)) for n in range(1, EPOCHS + 1)]
    assert now.data.metrics["mean_auroc"] == 0.75
    assert [file.path for file in server.client().list_artifacts(now.info.run_id)] == [
        f"{run.split()[1]}.bin"
    ]
    parent = server.runs()[f"{run} by hand"]
    assert parent.info.status == now.info.status == "FINISHED"
    assert now.info.end_time == parent.info.end_time < back_ms
