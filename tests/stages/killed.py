"""Stages of a finished clone that are stopped in the middle, by kills and Ctrl-C."""

import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from tests.stages.conftest import merge

TRACKED_OFF = {"CXR_TRACKING": "off"}


def body_of(stage: str, folder: Path) -> dict:
    found = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"][stage]
    return found.get("do", found)


def command_of(stage: str, folder: Path) -> list[str]:
    body = body_of(stage, folder)
    return [sys.executable, *shlex.split(body["cmd"].replace("${item}", "model"))[1:]]


def outputs_of(stage: str, folder: Path) -> list[Path]:
    """Of one member, if each has such a stage."""
    body = body_of(stage, folder)
    listed = [*body["outs"], *body.get("plots", []), *body.get("metrics", [])]
    names = [next(iter(one)) if isinstance(one, dict) else one for one in listed]
    return [folder / name.replace("${item}", "model") for name in names]


def bytes_of(paths: list[Path]) -> dict[str, bytes]:
    files = [f for path in paths for f in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return {str(file): file.read_bytes() for file in files if file.is_file()}


def change(folder: Path, values: dict) -> None:
    params = yaml.safe_load((folder / "params.yaml").read_text())
    (folder / "params.yaml").write_text(yaml.safe_dump(merge(params, values), sort_keys=False))


def environment() -> dict[str, str]:
    bin_folder = str(Path(sys.executable).parent)
    mine = {"PATH": f"{bin_folder}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    return os.environ | mine | TRACKED_OFF


def said(folder: Path, log: str = "log") -> str:
    return (folder / log).read_text()


def begin(command: list[str], folder: Path, *, log: str = "log", **env: str) -> subprocess.Popen:
    """A command as the first of a process group, as a terminal's shell starts it; what it
    says is in the file `log`."""
    with (folder / log).open("w+b") as file:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment() | env,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def kill(process: subprocess.Popen) -> bool:
    """Kill a command with all its children; whether it had not ended by then."""
    runs = process.poll() is None
    if runs:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return runs


@dataclass(frozen=True)
class Left:
    """What stopped commands have left behind that nobody needs."""

    processes: list[str]
    files: list[Path]


def left_behind(folder: Path) -> Left:
    """In a clone, whose processes have it for their temporary files, too."""
    here = []
    for process in psutil.process_iter(["pid", "cwd", "cmdline", "status"]):
        is_here = Path(process.info["cwd"] or "/").is_relative_to(folder)
        if is_here and process.info["status"] != psutil.STATUS_ZOMBIE:
            here.append(f"{process.info['pid']} {' '.join(process.info['cmdline'] or [])}")
    files = [Path(place, name) for place, _, names in os.walk(folder) for name in names]
    return Left(here, [file for file in files if is_temporary(file.relative_to(folder))])


def is_temporary(file: Path) -> bool:
    return file.suffix == ".partial" or file.name.startswith("tmp") or file.parts[0] == "tmp"
