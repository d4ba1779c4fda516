"""One process at a time at a stage of a checkout."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pipeline.errors import StageError


@contextmanager
def alone(stage: str, folder: Path) -> Iterator[None]:
    """Hold the block for this process, until it ends, even if it is killed.

    Whoever comes second is refused rather than made to wait: it would run again what the first
    has just run, and who started it should know of the first.

    Args:
        stage: `train_global@model`.
        folder: where a file says which process it is. Experiments in folders of their own have
            their own: they may well train the same stage at once.

    Raises:
        StageError: another process is at it; names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / stage).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise StageError(_refusal(stage, file.read())) from None
        file.truncate(0)
        file.write(f"{os.getpid()} since {datetime.now():%Y-%m-%d %H:%M:%S}")
        file.flush()
        yield


def _refusal(stage: str, first: str) -> str:
    """The first may have the lock, and not yet have said who it is."""
    process = first.partition(" ")[0]
    return (
        f"{stage}: process {first or 'of another shell'} is running it in this checkout; wait "
        f"until that has ended, or end it{f' (kill {process})' if process else ''}"
    )
