"""A made stage that is tracked, run as a process; what it left in a store."""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

ALWAYS = {"MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "0.2"}  # seconds

STAGE = """
import signal, time
from dataclasses import dataclass
from pathlib import Path
from pipeline import tracking
from pipeline.guard.options import Choice, Out, ParamsFile, run

signal.signal(signal.SIGINT, signal.default_int_handler)

@dataclass(frozen=True)
class Epoch:
    epoch: int
    train_loss: float

TRAINS = 20  # epochs, of which a test lets three pass and then says: go

def main(out: Out, does: Choice, member: Choice, params: ParamsFile = Path("params.yaml")) -> None:
    shown, noted = tracking.Shown("train", epochs=3), Path("run id")
    if does == "go on":
        tracking.go_on_with(noted.read_text(), 2)
    last, moments = (TRAINS if does == "train" else 3), []
    for epoch in (Epoch(n, 1 / n) for n in range(1, last + 1)):
        tracking.log_epoch(vars(epoch), shown)
        moments.append(time.monotonic())
        if does == "train" and epoch.epoch == 3:
            print("ready", flush=True)
            while not Path("go").exists():
                time.sleep(0.05)
        elif does == "train":
            time.sleep(0.1)
        if does == "stop" and epoch.epoch == 2:
            noted.write_text(tracking.run_id())
            print("ready", flush=True)
            time.sleep(300)
    tracking.log_metrics({"mean_auroc": 0.75}, headline=True)
    tracking.log_metrics({"model": {"mean_auroc": 0.5}})
    tracking.describe("Three sentences.")
    between = [after - before for before, after in zip(moments[3:], moments[4:])]
    Path("slowest").write_text(str(max(between, default=0.0)))
    out.write_text("weights")
    tracking.log_artifact(out)
    if does == "fail":
        raise ValueError("boom")
    if does == "wait":
        print("ready", flush=True)
        time.sleep(300)

run(main)
"""


@dataclass(frozen=True)
class Started:
    process: subprocess.Popen
    since: float

    def ended(self) -> tuple[int, float, str]:
        """Exit code, seconds until it left, and what it and its writer said."""
        code = self.process.wait(timeout=300)
        seconds = time.monotonic() - self.since
        return code, seconds, self.process.communicate(timeout=300)[1]


def start(stage: str, *, cwd: Path, root: Path, does="work", member="model", **env) -> Started:
    """A stage of this name in the checkout at `root`, run in `cwd`."""
    for folder in [cwd, root]:
        folder.mkdir(exist_ok=True)
    (cwd / "params.yaml").write_text("seed: 7\nglobal:\n  epochs: 3\n")
    script = cwd / f"{stage}.py"
    script.write_text(STAGE)
    command = [sys.executable, str(script), "--out", f"{member}.bin", "--does", does]
    plain = {k: v for k, v in os.environ.items() if not re.match("DVC_|MLFLOW_|CXR_|RANK", k)}
    process = subprocess.Popen(
        [*command, "--member", member],
        cwd=cwd,
        env=plain | ALWAYS | {"PYTHONPATH": str(REPOSITORY), "DVC_ROOT": str(root)} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Started(process, time.monotonic())


class Named(dict):
    """Runs by their names, of which some may have several."""

    def __init__(self, pairs):
        self.pairs = list(pairs)
        super().__init__(self.pairs)

    def all(self, name):
        return [run for other, run in self.pairs if other == name]
