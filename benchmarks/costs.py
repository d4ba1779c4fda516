"""What a command costs, with all processes that it waits for."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Of one command with all processes that it waits for."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    """Resident in its largest process at most; pages of files that it maps are among them."""


def cost_of(command: Sequence[str], root: Path, *, log: Path) -> Cost:
    """Run a command in a checkout, with its environment and untracked, and measure it.

    Raises:
        subprocess.CalledProcessError: it failed; `log` has what it said.
    """
    folders = [str(root.resolve() / ".venv/bin"), str(Path(sys.executable).parent)]
    path = os.pathsep.join([*folders, os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "CXR_TRACKING": "off"}
    with log.open("a", encoding="utf-8") as said:
        done = subprocess.run(
            [sys.executable, "-S", "-c", _MEASURED, *command],
            cwd=root, env=environment, stdout=subprocess.PIPE, stderr=said, text=True, check=True,
        )  # fmt: skip
    return Cost(**json.loads(done.stdout))


_MEASURED = """
import json, resource, subprocess, sys, time

began = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
cost = {
    "seconds": time.perf_counter() - began,
    "cpu_seconds": used.ru_utime + used.ru_stime,
    "peak_bytes": used.ru_maxrss * 1024,
}
json.dump(cost, sys.stdout)
sys.exit(code)
"""
"""By a process that is small: what it starts inherits its `ru_maxrss`."""
