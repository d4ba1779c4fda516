"""What the stages for all members read of one of them, copied together."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from pipeline.artifacts.files import replacing


def gather(paths: Iterable[Path], folder: Path) -> None:
    """Copy files, and what lies in folders, into `folder`, under their own names."""
    with replacing(folder) as fresh:
        fresh.mkdir()
        for path in paths:
            if path.is_dir():
                shutil.copytree(path, fresh, dirs_exist_ok=True)
            else:
                shutil.copy(path, fresh)
