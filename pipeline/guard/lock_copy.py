"""A copy of dvc.lock, kept as a stage begins: DVC writes the file itself in place."""

import shutil
from pathlib import Path

from pipeline.base.files import replacing

_LOCK = "dvc.lock"
_COPY = "dvc.lock.copy"


def keep_lock(root: Path, folder: Path) -> None:
    """Copy dvc.lock to where no kill can tear it.

    DVC has just read it, so it is whole. Killed while it writes, DVC leaves a part of it, which
    no command of it reads again.

    Args:
        root: the folder that DVC runs stages in.
        folder: of the copy, `dvc.lock.copy`.
    """
    if (root / _LOCK).is_file():
        with replacing(folder / _COPY) as fresh:
            shutil.copyfile(root / _LOCK, fresh)
