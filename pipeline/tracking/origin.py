"""Which run of the pipeline a stage belongs to: a DVC experiment, a `dvc repro`, or itself."""

import hashlib
import logging
import os
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import yaml

log = logging.getLogger(__name__)

CODE = ("pipeline", "stages", "dvc.yaml")
"""What a run's results follow from, beside params and data."""


@dataclass(frozen=True)
class Origin:
    """One run of the pipeline, as the environment tells of it."""

    key: str
    """The same for every stage of the run, and for no other run."""
    name: str
    """For people."""
    tags: dict[str, str]
    """Experiment, revision, whether the code was changed since, where it runs."""
    params: dict[str, str]
    """params.yaml with dotted names."""
    owner: tuple[int, float] | None
    """The dvc process: its id and its start in seconds since 1970."""


def origin_of(stage: str, *, root: Path, params: Path) -> Origin:
    """Find out which pipeline run the stage of this process belongs to.

    Args:
        stage: Its name, for a stage that was started by hand.
        root: The main checkout.
        params: The params file of the stage; one that cannot be read counts as empty, since
            complaining of it is the stage's own business.
    """
    ancestors = psutil.Process().parents()
    dvc = next((process for process in ancestors if _is_dvc(_command(process))), None)
    owner = (dvc.pid, dvc.create_time()) if dvc else None
    experiment = os.environ.get("DVC_EXP_NAME")
    numbers, began = flat_params(params), revision()
    if experiment:
        # An experiment that is run again under its name, with other params or from another
        # commit, is another run.
        about = repr((experiment, sorted(numbers.items()), began.get("revision")))
        key, name = f"experiment {hashlib.sha256(about.encode()).hexdigest()[:16]}", experiment
    elif owner:
        key, name = f"repro {owner[0]} {owner[1]:.2f}", f"repro {_minute(owner[1])}"
    else:
        now = datetime.now().astimezone()
        key, name = f"{stage} {os.getpid()} {now.isoformat()}", f"{stage} {_minute(None)}"
    tags = {"experiment": experiment or "", "mode": _mode(root, ancestors)} | began
    return Origin(key, name, {k: v for k, v in tags.items() if v}, numbers, owner)


def search_origin(name: str, *, key: str, params: Path) -> Origin:
    """A search of params is a run like one of the pipeline, and goes on as the same one.

    Args:
        name: of the search.
        key: which no other search has.
        params: the params file that its trials change.
    """
    tags = {"mode": "search"} | revision()
    return Origin(f"search {name} {key}", f"search {name}", tags, flat_params(params), None)


def is_alive(owner: tuple[int, float]) -> bool:
    """Whether that very process still runs, not another one under its number.

    One that has ended and not been waited for does not: who waits may first wait for its output,
    which the asker holds open.
    """
    try:
        process = psutil.Process(owner[0])
        ended = process.status() == psutil.STATUS_ZOMBIE
        return not ended and abs(process.create_time() - owner[1]) < 0.1
    except psutil.Error:
        return False


def flat_params(path: Path) -> dict[str, str]:
    """A YAML file's leaves under dotted names; empty where there is no such file."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return {name: str(leaf) for name, leaf in flatten(tree).items()}


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves of nested mappings under dotted names: `{"a": {"b": 1}}` to `{"a.b": 1}`."""
    if not hasattr(tree, "items"):
        return {prefix: tree} if prefix else {}
    flat: dict[str, Any] = {}
    for name, branch in tree.items():
        flat |= flatten(branch, f"{prefix}.{name}" if prefix else str(name))
    return flat


def _is_dvc(words: list[str]) -> bool:
    """Whether a command line is dvc's, run by its name or through an interpreter."""
    if Path(words[0]).name.lower().startswith("python"):
        words = words[1:]
        while words and words[0].startswith("-"):
            words = words[2:] if words[0] in {"-X", "-W", "-c"} else words[1:]
    return bool(words) and Path(words[0]).name == "dvc"


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() or [""]
    except psutil.Error:
        return [""]


def _mode(root: Path, ancestors: list[psutil.Process]) -> str:
    if Path.cwd() == root:
        return "workspace"
    queued = any("queue-worker" in _command(process) for process in ancestors)
    return "queue" if queued else "temp"


def revision() -> dict[str, str]:
    """Commit that the run started from, and whether the code is not that commit's.

    Params count as no change, being logged in full, nor does what stages write: with them every
    experiment would be dirty, and every `dvc repro` behind its first stage.
    """
    commit = os.environ.get("DVC_EXP_BASELINE_REV") or git_says("rev-parse", "HEAD")
    if not commit:
        return {}
    dirty = bool(git_says("status", "--porcelain", "--", *CODE))
    return {"revision": commit, "dirty": str(dirty).lower(), "mlflow.source.git.commit": commit}


def git_says(*words: str) -> str:
    """What `git <words>` prints in the current folder; nothing where it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", *words], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _minute(seconds: float | None) -> str:
    moment = datetime.now() if seconds is None else datetime.fromtimestamp(seconds)
    return f"{moment:%Y-%m-%d %H:%M}"
