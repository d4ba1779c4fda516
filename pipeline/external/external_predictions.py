"""What a model says of every image of a cohort."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float32

from pipeline.base.findings import FINDINGS
from pipeline.base.watching import Look, watched
from pipeline.cohort.reading.tags import Tags
from pipeline.external.external_cohort import ExternalCohort
from pipeline.predict.many.stream import BATCH
from pipeline.predict.model import Model
from pipeline.predict.prediction import Prediction
from pipeline.predict.prepared import as_prepared


class Said(NamedTuple):
    """Of all images, in their order."""

    raw: pd.DataFrame
    """Schema PREDICTIONS, all of split test: the vote's probabilities, not calibrated."""
    calibrated: pd.DataFrame
    """The same, as the model prints them."""
    unlike: float
    """Share of the images that are unlike the training images: 1 % of validation images are."""
    warned: float
    """Share of the images of which nothing is called, for this or for another reason."""


class _Row(NamedTuple):
    raw: Float32[np.ndarray, " f"]
    calibrated: Float32[np.ndarray, " f"]
    is_unlike: bool
    is_warned: bool


def predict_cohort(model: Model, cohort: ExternalCohort, look: Look) -> Said:
    """Predict all images; memory holds one batch of them, and what was said of the others.

    Args:
        model: that predicts.
        cohort: its images are of the model's size.
        look: who looks on as the images go by.
    """
    rows = list(watched(_rows(model, cohort), look))
    return Said(
        _table(cohort, [one.raw for one in rows]),
        _table(cohort, [one.calibrated for one in rows]),
        unlike=float(np.mean([one.is_unlike for one in rows])),
        warned=float(np.mean([one.is_warned for one in rows])),
    )


def _rows(model: Model, cohort: ExternalCohort) -> Iterator[_Row]:
    for start in range(0, len(cohort.index), BATCH):
        about = cohort.index.iloc[start : start + BATCH]
        images = cohort.images.gather(np.arange(start, start + len(about)))
        shown = [
            as_prepared(image, _patient(row), height=row["height"], width=row["width"])
            for image, row in zip(images, about.to_dict("records"), strict=True)
        ]
        yield from map(_row, model.predict_prepared(shown))


def _row(said: Prediction) -> _Row:
    return _Row(
        _values(said.raw),
        _values(said.probabilities),
        said.distance > said.limit,
        bool(said.warnings),
    )


def _values(by_finding: Mapping[str, float]) -> Float32[np.ndarray, " f"]:
    return np.array([by_finding[finding] for finding in FINDINGS], np.float32)


def _patient(row: Mapping[Any, Any]) -> Tags:
    known = {name: None if pd.isna(row[column]) else row[column] for name, column in _COLUMNS}
    return Tags(**known)


_COLUMNS = (("age", "age_years"), ("gender", "gender"), ("view", "view_position"))


def _table(cohort: ExternalCohort, rows: Sequence[Float32[np.ndarray, " f"]]) -> pd.DataFrame:
    about = cohort.index[["image_index"]].assign(split="test")
    probs = pd.DataFrame(np.stack(rows), columns=list(FINDINGS), index=about.index)
    return pd.concat([about, probs], axis=1)
