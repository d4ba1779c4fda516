"""The machine that stages run on, in words."""

import platform
from pathlib import Path

from pipeline.base.cores import cores


def processor() -> str:
    """How many cores of what."""
    return f"{cores()} cores of {_model()}"


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
