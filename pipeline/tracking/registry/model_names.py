"""What models are called in MLflow, and where their files lie in what it keeps."""

from pathlib import Path

PACKAGE = "data/package"
"""Where the packaged folder lies in a model of MLflow."""

ADDRESSES = "models:/name/version, models:/name@alias, models:/m-... or runs:/run/name"

_SCHEMES = ("models:/", "runs:/")


def is_address(model: str | Path) -> bool:
    """Whether this is the address of a model in MLflow, and no folder."""
    return str(model).startswith(_SCHEMES)
