"""Learning curves: a csv with one row per epoch, and which of them is kept by what."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.base.files import replacing
from pipeline.errors import ArtifactError
from pipeline.training.records.kept import best_by, kept_epoch

COLUMNS = ("epoch", "train_loss", "val_loss", "val_auroc", "learning_rate")
"""What is written of an epoch; speed is left out, since it differs from run to run."""


MARKS = ("kept", "best_by")
"""Words beside them: the rule in force, at the epoch whose weights were kept; and the rules, with
spaces between, by which an epoch would be kept."""


def write_curves(epochs: Sequence[Any], path: Path, *, keep: str) -> None:
    """Write the records that `fit` yielded under the rule `keep`."""
    frame = pd.DataFrame([{name: getattr(epoch, name) for name in COLUMNS} for epoch in epochs])
    kept, best = kept_epoch(epochs, keep), best_by(epochs)
    frame["kept"] = [keep if epoch is kept else "" for epoch in epochs]
    frame["best_by"] = [
        " ".join(rule for rule, one in best.items() if one is epoch) for epoch in epochs
    ]
    with replacing(path) as fresh:
        frame.to_csv(fresh, index=False, float_format="%.6g")


def read_curves(path: Path) -> pd.DataFrame:
    """One row per epoch, with COLUMNS and MARKS.

    Raises:
        ArtifactError: the file is missing or holds something else.
    """
    try:
        curves = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path}: no learning curve can be read ({error})") from None
    if missing := sorted({*COLUMNS, *MARKS} - set(curves.columns)):
        raise ArtifactError(f"{path}: lacks the columns {missing}")
    return curves.assign(**{name: curves[name].fillna("").astype(str) for name in MARKS})
