"""The checkout that a command runs in."""

import os
from pathlib import Path


def checkout() -> Path:
    """The repository that DVC runs in, also for an experiment in a folder of its own."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()
