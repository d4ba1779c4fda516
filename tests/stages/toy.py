"""A graph of two stages that take a moment, with this project's params, metrics and tracking."""

import shutil
from pathlib import Path
from subprocess import CompletedProcess

from tests.stages.conftest import REPO, commit, run

PYTHON = {"PYTHONPATH": str(REPO)}
"""What finds this repository's code from there."""

GRAPH = """
stages:
  train:
    cmd: python toy.py train data/weights
    deps: [toy.py, COHORT]
    params: [seed, model]
    outs: [data/weights]
  evaluate:
    cmd: python toy.py evaluate data/weights
    deps: [toy.py, data/weights]
    outs:
    - metrics/systems.json: {cache: false}
    - metrics/methods.json: {cache: false}
    metrics:
    - metrics/evaluate.json: {cache: false}
    - metrics/iou.json: {cache: false}
"""

STAGES = '''
"""Scores follow from seed and backbone; a file `fail` or `wait` in the checkout has its way."""
import json, os, sys, time
from pathlib import Path
import yaml
from pipeline import tracking

def train(weights):
    root, params = Path(os.environ["DVC_ROOT"]), yaml.safe_load(Path("params.yaml").read_text())
    if (root / "fail").exists() and params["seed"] == int((root / "fail").read_text()):
        sys.exit("error: asked to fail")
    while (root / "wait").exists():
        time.sleep(0.05)
    bonus = {"mobilenet_v2": 0.0, "resnet18": 0.1}[params["model"]["global"]]
    weights.write_text(str(0.6 + bonus + params["seed"] / 1000))

def evaluate(weights):
    auroc = round(float(weights.read_text()), 6)
    def entry(value):
        ends = {"mean_auroc_low": value - 0.02, "mean_auroc_high": value + 0.02}
        return {"mean_auroc": value, "auroc": {"Mass": value}} | ends
    systems = {name: entry(auroc) for name in ("ensemble", "model.global", "model.fusion")}
    gain = {"mean_auroc": 0.01, "low": -0.01, "high": 0.03}
    systems |= {"metadata_only": entry(0.5), "delta": {"model.fusion - model.global": gain}}
    iou = {"iou": 0.2, "iou_low": 0.1, "iou_high": 0.3}
    files = {
        "systems": systems, "methods": {"model": {"cam": {"mean": iou}}}, "iou": iou,
        "evaluate": {
            "auroc": auroc, "auroc_low": auroc - 0.02, "auroc_high": auroc + 0.02,
            "gain": 0.01, "gain_low": -0.01, "gain_high": 0.03,
        },
    }
    for name, content in files.items():
        Path(f"metrics/{name}.json").write_text(json.dumps(content))

stage, weights = sys.argv[1:]
with tracking.stage([stage]):
    {"train": train, "evaluate": evaluate}[stage](Path(weights))
'''


def make_toy(folder: Path) -> Path:
    """A repository with the graph run and committed."""
    shutil.copy(REPO / "tests/tiny.yaml", folder / "params.yaml")
    cohort = cohort_of(folder)
    cohort.write_text("radiographs")
    (folder / "dvc.yaml").write_text(GRAPH.replace("COHORT", str(cohort)))
    (folder / "toy.py").write_text(STAGES)
    (folder / ".gitignore").write_text(
        "/data/\n/fail\n/wait\n/mlflow.db*\n/mlartifacts/\n/.tracking/\n"
    )
    for name in ("data", "metrics"):
        (folder / name).mkdir()
    run("git", "init", "-q", "-b", "main", cwd=folder)
    run("dvc", "init", "-q", cwd=folder)
    commit(folder)
    toy(folder, "dvc", "repro", "-q")
    commit(folder)
    return folder


def cohort_of(folder: Path) -> Path:
    """What the graph there reads from outside."""
    return folder.with_name(f"{folder.name}-cohort")


def toy(folder: Path, *command: str) -> CompletedProcess[str]:
    """Run a command there, which finds this repository's code."""
    return run(*command, cwd=folder, **PYTHON)
