"""The errors that a person is meant to read, and how they are read."""

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
        sys.exit(f"error: {error}" if speaks else 1)
