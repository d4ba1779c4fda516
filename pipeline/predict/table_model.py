"""A model as MLflow serves it: a table of radiographs in, a table of what is said of them out.

MLflow imports this module by its name and calls `_load_pyfunc`, so that nothing is pickled. The
module itself does without MLflow.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from pipeline.errors import CohortError
from pipeline.predict.answers import as_row, columns_of
from pipeline.predict.model import Model, load_model
from pipeline.predict.radiograph import Radiograph, known, read_radiograph, stated

COLUMNS = {"image": str, "age": float, "gender": str, "view": str}
"""Of the table that goes in: the first is needed, the others are what is known of the patient."""

ERROR = "error"
"""The first column of the table that comes out: why there is no answer, or nothing."""

_BATCH = 16
"""Radiographs that are seen at once."""

Row = dict[str, Any]


class TableModel:
    """A packaged model on tables."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._columns = [*answer_columns(model.about.members)]

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """Predict the findings of each radiograph; one that cannot be read costs no other.

        Args:
            table: columns as in `COLUMNS`. An image is the bytes of a PNG, JPEG or DICOM file, or
                base64 text of them.

        Returns:
            A row for each of the table's, with its index: `error`, then the columns of `as_row`.
            What is not known is None.
        """
        rows: list[Row] = []
        asked = [{k: v for k, v in row.items() if not pd.isna(v)} for row in _records(table)]
        for start in range(0, len(asked), _BATCH):
            rows += self._answers(asked[start : start + _BATCH], start)
        answers = pd.DataFrame(rows, columns=self._columns, index=table.index)
        return answers.apply(_with_none)

    def _answers(self, asked: list[Row], first: int) -> Iterator[Row]:
        read = [_read(row, number) for number, row in enumerate(asked, start=first)]
        whole = [one for one in read if isinstance(one, Radiograph)]
        found = iter(self._model.predict(whole) if whole else [])
        return (
            {ERROR: one} if isinstance(one, str) else {ERROR: None} | as_row(next(found))
            for one in read
        )


def answer_columns(members: Iterable[str]) -> dict[str, type]:
    """The columns of the table that comes out, with what they hold where they hold anything."""
    return {ERROR: str} | columns_of(members)


def example() -> pd.DataFrame:
    """A table to copy: one picture of the right kind, which is no radiograph."""
    ramp = np.add.outer(np.arange(128), np.arange(128)).astype(np.uint8)
    file = base64.b64encode(cv2.imencode(".png", ramp)[1].tobytes()).decode()
    return pd.DataFrame({"image": [file], "age": [58.0], "gender": ["F"], "view": ["PA"]})


def _records(table: pd.DataFrame) -> list[Row]:
    kept = table[[name for name in COLUMNS if name in table]]
    return [{str(name): value for name, value in row.items()} for row in kept.to_dict("records")]


def _read(row: Row, number: int) -> Radiograph | str:
    """The radiograph of a row, or why there is none; rows count from 0, as in JSON."""
    try:
        shown = read_radiograph(_bytes_of(row.pop("image", b"")))
        patient = known(stated(**row), shown.patient)
    except (CohortError, ValueError) as error:
        return f"image {number}: {error}"
    return Radiograph(shown.pixels, patient, shown.doubts, shown.warnings)


def _bytes_of(image: bytes | str) -> bytes:
    if not image:
        raise ValueError("no image; expected a PNG, JPEG or DICOM file, as base64 text")
    if isinstance(image, bytes):
        return image
    try:
        return base64.b64decode("".join(image.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(
            f"text that is no base64 ({error}) and starts with {image[:16]!r}; expected that of "
            "a PNG, JPEG or DICOM file"
        ) from None


def _with_none(column: pd.Series) -> pd.Series:
    """None for what is missing: JSON has no NaN."""
    is_there = column.notna()
    return column if is_there.all() else column.astype(object).where(is_there, None)


def _load_pyfunc(path: str) -> TableModel:
    """What MLflow calls with the packaged folder."""
    return TableModel(load_model(Path(path)))
