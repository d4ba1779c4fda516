"""A checkout whose one stage waits until it is let go on, run by hand or by real DVC."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.stages.conftest import REPO, commit, run

GRAPH = """
stages:
  wait:
    cmd: >-
      python -m stages.wait
      --source data/source
      --table data/table.csv
      --out data/out
    params: [seed, train.batch_size]
    deps:
    - data/source
    - data/table.csv
    - pipeline/base/seeds.py
    - stages/wait.py
    outs:
    - data/out
"""

STAGE = '''
"""Stage `wait`: copy a file once there is one named `go`."""
import time
from pathlib import Path
from pipeline.base.seeds import derive_seed
from pipeline.guard.options import Dep, Out, ParamsFile, run

def main(source: Dep, table: Dep, out: Out, params: ParamsFile = Path("params.yaml")) -> None:
    text = params.read_text() + table.read_text()
    Path("started").touch()
    while not Path("go").exists():
        time.sleep(0.02)
    out.write_text(text)

if __name__ == "__main__":
    run(main)
'''

TRAIN = """
stages:
  brief:
    cmd: python -m stages.brief --source data/table.csv --model data/model
    params: [seed]
    deps: [data/table.csv, pipeline/training/fit.py, stages/brief.py]
    outs: [data/model]
"""

TRAINING = '''
"""Stage `brief`: a training of three epochs, which waits before it ends."""
import time
from functools import partial
from pathlib import Path
from made_tasks import linear, task, vectors
from training_numbers import PLAN
from pipeline.guard.options import Dep, Out, ParamsFile, run
from pipeline.params.whole import load_params
from pipeline.training.fit import fit
from pipeline.training.stage_training import StageTraining

def main(source: Dep, model: Out, params: ParamsFile = Path("params.yaml")) -> None:
    network, cfg = linear(), load_params(params)
    long = cfg.global_.model_copy(update={"epochs": 3})
    training = StageTraining("brief", "model", cfg.train, long)
    training.follow(partial(fit, network, task(vectors), PLAN), label="x")
    Path("started").touch()
    while not Path("go").exists():
        time.sleep(0.02)
    model.write_text(str(network.weight.sum().item()))
    training.finish(model)

if __name__ == "__main__":
    run(main)
'''

COMMAND = [
    *(sys.executable, "-m", "stages.wait", "--source", "data/source"),
    *("--table", "data/table.csv", "--out", "data/out"),
]


def make_checkout(folder: Path) -> Path:
    """The checkout, without DVC."""
    for name in ("pipeline", "stages"):
        shutil.copytree(REPO / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPO / "tests/tiny.yaml", folder / "params.yaml")
    (folder / "data/source").mkdir(parents=True)
    (folder / "data/source/a.npy").write_text("a")
    (folder / "data/table.csv").write_text("table")
    (folder / "stages/wait.py").write_text(STAGE)
    (folder / "dvc.yaml").write_text(GRAPH)
    time.sleep(
        0.02
    )  # the file system's clock is coarse, and what is just written counts as edited
    return folder


def make_training(folder: Path) -> Path:
    """One whose stage trains."""
    make_checkout(folder)
    (folder / "stages/brief.py").write_text(TRAINING)
    (folder / "dvc.yaml").write_text(TRAIN)
    return folder


def with_dvc(folder: Path) -> Path:
    """The same, as a repository of git and DVC."""
    ignored = "/data/\n/started\n/go\n/said\n/.ckpt/\n__pycache__/\n"
    (folder / ".gitignore").write_text(ignored)
    run("git", "init", "-q", cwd=folder)
    run("dvc", "init", "-q", cwd=folder)
    commit(folder)
    return folder


def start(*command: str, folder: Path) -> subprocess.Popen[str]:
    """Run a command there until its stage waits; what it says is in the file `said`."""
    for name in ("started", "go"):
        (folder / name).unlink(missing_ok=True)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with (folder / "said").open("w") as said:
        mine = {"PATH": path, "CXR_TRACKING": "off", "PYTHONPATH": str(REPO / "tests/unit")}
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | mine,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
        )
    until = time.monotonic() + 240
    while not (folder / "started").exists() and process.poll() is None:
        assert time.monotonic() < until, "the stage does not start"
        time.sleep(0.02)
    return process


def ended(process: subprocess.Popen[str], folder: Path) -> tuple[int, str]:
    """Of a command that came to its end without its stage: its exit code, and what it said."""
    runs = process.poll() is None
    if runs:
        process.kill()
    assert not runs, "the stage runs"
    return process.wait(240), (folder / "said").read_text()


def finish(process: subprocess.Popen[str], folder: Path) -> tuple[int, str]:
    """Let the stage go on; the command's exit code, and what it said."""
    (folder / "go").touch()
    return process.wait(240), (folder / "said").read_text()
