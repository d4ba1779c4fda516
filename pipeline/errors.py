"""The errors that a person is meant to read."""


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
