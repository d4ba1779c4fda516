"""Learning curves: a csv with one row per epoch."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.artifacts.files import replacing
from pipeline.errors import ArtifactError

COLUMNS = ("epoch", "train_loss", "val_loss", "val_auroc", "learning_rate")
"""What is written of an epoch; speed is left out, since it differs from run to run."""


def write_curves(epochs: Sequence[Any], path: Path) -> None:
    """Write the records that `fit` yielded."""
    frame = pd.DataFrame([asdict(epoch) for epoch in epochs])[list(COLUMNS)]
    with replacing(path) as fresh:
        frame.to_csv(fresh, index=False, float_format="%.6g")


def read_curves(path: Path) -> pd.DataFrame:
    """One row per epoch, with COLUMNS.

    Raises:
        ArtifactError: the file is missing or holds something else.
    """
    try:
        curves = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path}: no learning curve can be read ({error})") from None
    if missing := sorted(set(COLUMNS) - set(curves.columns)):
        raise ArtifactError(f"{path}: lacks the columns {missing}")
    return curves
