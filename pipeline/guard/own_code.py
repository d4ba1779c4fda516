"""Whether the code that runs is that of the checkout which it runs for.

The project may be installed from one checkout and used in another: a second clone, or the copy
that `dvc exp run --temp` and the queue work in.
"""

from pathlib import Path

import pipeline
from pipeline.errors import StageError


def is_own_code(root: Path) -> bool:
    """Whether this process runs the code of the checkout at `root`, or that has none."""
    own = root / "pipeline"
    return not own.is_dir() or own.samefile(_running())


def expect_own_code(stage: str, root: Path) -> None:
    """Make sure that a stage's outputs follow from the code that DVC records for it.

    Args:
        stage: its name.
        root: the folder that DVC runs it in.

    Raises:
        StageError: they would follow from code of another place.
    """
    if not is_own_code(root):
        raise StageError(
            f"{stage}: Python took the code in {_running().parent}, expected that of this folder; "
            "`python -m` takes it from here unless PYTHONSAFEPATH is set: unset it, run it again"
        )


def _running() -> Path:
    return Path(next(iter(pipeline.__path__)))
