"""The errors that a person is meant to read, and how they are read."""

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class PipelineError(Exception):
    """Something the user can mend; its message says what, what was expected and how."""


class ParamsError(PipelineError):
    """A params file is missing, misspelt, mistyped or out of range."""


class ArtifactError(PipelineError):
    """A file that passes between stages, or comes from outside, breaks its schema."""


class CohortError(PipelineError):
    """The radiographs or their tables are not what a run can be trusted with."""


class StageError(PipelineError):
    """A stage must not run now, or what it wrote must not be recorded."""


class ExperimentError(PipelineError):
    """DVC or git refuse what is asked of them, or an experiment is not there."""


_HELP = {
    errno.ENOSPC: "make room there, then repeat the command",
    errno.EDQUOT: "make room there, then repeat the command",
    errno.EROFS: "it cannot be written: work in a copy that can",
    errno.EACCES: "see who may read and write it",
}
"""What to do where the system refuses."""


@contextmanager
def readable(*, speaks: bool = True) -> Iterator[None]:
    """Run the block as what a person called: log to stderr; end a fault in a line and exit 1.

    Args:
        speaks: whether this process says so; of several that train together, one does.
    """
    level = logging.INFO if speaks else logging.ERROR
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr)
    try:
        yield
    except (PipelineError, OSError) as error:  # OSError: a full disk, a folder not to be written
        sys.exit(f"error: {_said(error)}" if speaks else 1)


def _said(error: PipelineError | OSError) -> str:
    """In a line: the place, what is wrong there, and what to do if that is known."""
    if not isinstance(error, OSError) or error.errno not in _HELP:
        return str(error)
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror}; {_HELP[error.errno]}"
