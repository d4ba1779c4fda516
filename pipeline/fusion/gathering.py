"""What the stages for all members read of one of them, copied together."""

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from pipeline.base.files import replacing

log = logging.getLogger(__name__)


def gather(paths: Iterable[Path], folder: Path, *, of: str) -> None:
    """Copy a member's files, and what lies in its folders, into `folder`, each under its name."""
    with replacing(folder) as fresh:
        fresh.mkdir()
        for path in paths:
            if path.is_dir():
                shutil.copytree(path, fresh, dirs_exist_ok=True)
            else:
                shutil.copy(path, fresh)
    log.info("%s: %d files in %s", of, sum(1 for _ in folder.iterdir()), folder)
