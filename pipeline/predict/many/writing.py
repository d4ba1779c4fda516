"""Answers as files, one radiograph after another: whole or not at all."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from io import BufferedIOBase
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, cast

import cv2
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.files import replacing
from pipeline.predict.answers import as_json, as_row, columns_of
from pipeline.predict.many.stream import Answer

Write = Callable[[Answer], None]
Writer = Callable[[BufferedIOBase, Sequence[str]], AbstractContextManager[Write]]
"""An open file and the model's members to what writes answers to it."""

_ROWS_A_GROUP = 1_000


@contextmanager
def json_lines(file: BufferedIOBase, members: Sequence[str]) -> Iterator[Write]:  # noqa: ARG001
    """An object of `as_json` a line, with `image` and, where there is none, `error`."""

    def write(answer: Answer) -> None:
        said = {"error": answer.fault} if answer.prediction is None else as_json(answer.prediction)
        line = json.dumps({"image": str(answer.path), **said}, allow_nan=False)
        file.write(f"{line}\n".encode())

    yield write


@contextmanager
def csv_rows(file: BufferedIOBase, members: Sequence[str]) -> Iterator[Write]:
    """A row of `as_row` each, with `image` and `error`; cells of what is not known are empty."""
    columns = [*_columns(members)]
    text = io.TextIOWrapper(cast(BinaryIO, file), encoding="utf-8", newline="", write_through=True)
    rows = csv.DictWriter(text, columns, lineterminator="\n")
    rows.writeheader()
    try:
        yield lambda answer: rows.writerow(_row(answer))
    finally:
        text.detach()  # the file is closed by who opened it


@contextmanager
def parquet_rows(file: BufferedIOBase, members: Sequence[str]) -> Iterator[Write]:
    """The same as parquet, in groups of rows."""
    schema = pa.schema([(name, _KINDS[kind]) for name, kind in _columns(members).items()])
    waiting: list[dict[str, Any]] = []
    with pq.ParquetWriter(file, schema) as writer:

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(waiting, schema))
            waiting.clear()

        def write(answer: Answer) -> None:
            waiting.append(_row(answer))
            if len(waiting) == _ROWS_A_GROUP:
                flush()

        yield write
        flush()


_KINDS = {str: pa.string(), float: pa.float64(), bool: pa.bool_()}


def _columns(members: Sequence[str]) -> dict[str, type]:
    return {"image": str, "error": str} | columns_of(members)


def _row(answer: Answer) -> dict[str, Any]:
    row = {} if answer.prediction is None else as_row(answer.prediction)
    return {"image": str(answer.path), "error": answer.fault, **row}


WRITERS: dict[str, Writer] = {"json": json_lines, "csv": csv_rows, "parquet": parquet_rows}

ENDINGS = {"json": "jsonl", "csv": "csv", "parquet": "parquet"}


@contextmanager
def written(path: Path, kind: str, members: Sequence[str]) -> Iterator[Write]:
    """A file of an entry of `WRITERS` that is there once all answers are."""
    with (
        replacing(path) as fresh,
        fresh.open("wb") as file,
        WRITERS[kind](file, members) as write,
    ):
        yield write


class Pictures:
    """A folder of `Prediction.overlay` pictures, named after the files that they are of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()

    def write(self, answer: Answer) -> None:
        """Draw one, if there is a prediction; a second `a.png` is `a_2.png`."""
        if answer.prediction is None:
            return
        name = self._name(answer.path.stem)
        encoded = cv2.imencode(".png", answer.prediction.overlay()[:, :, ::-1])[1]
        with replacing(self._folder / f"{name}.png") as fresh:
            fresh.write_bytes(encoded.tobytes())

    def _name(self, stem: str) -> str:
        names = (stem if number == 1 else f"{stem}_{number}" for number in count(1))
        name = next(one for one in names if one not in self._taken)
        self._taken.add(name)
        return name
