"""Text of a csv file as columns of text, and refusals that name file, row and expectation."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from pipeline.base.findings import plain
from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.errors import CohortError

_SEPARATORS = ",;\t"


class Column(NamedTuple):
    """A column that is read, under any of its names; of those `plain` decides which are equal."""

    name: str
    """As messages and the table that is read call it."""
    aliases: tuple[str, ...] = ()
    is_needed: bool = True
    """A column that is not, and is not there, is one of empty cells."""


def read_columns(file: TextFile, columns: Sequence[Column]) -> dict[str, pd.Series]:
    """These columns as text, by `Column.name`; each is called as in the file, for messages.

    Their index is the row's number as a spreadsheet counts (header: 1).

    Cells are separated by what the header has most of: commas, semicolons or tabs. Trailing
    empty cells, as NIH's first release and its box list have them, are ignored.

    Raises:
        CohortError: a column is missing or there twice, a row has too few or too many cells, or
            a quotation mark is never closed.
    """
    rows = _rows(file)
    _, header = next(rows, (1, []))
    places = {column.name: _place(column, header, file) for column in columns}
    missing = [
        column.name for column in columns if column.is_needed and places[column.name] is None
    ]
    if missing:
        hint = "; is it separated by commas?" if len(header) == 1 else ""
        raise CohortError(
            f"{file.name}: lacks the columns {missing}; its header is {header}{hint}"
        )
    width = max(at for at, name in enumerate(header) if name) + 1
    cells: dict[int, list[str]] = {}
    for number, row in rows:
        if len(row) < width or any(row[width:]):
            raise CohortError(f"{file.name}, row {number}: {len(row)} cells; expected {width}")
        cells[number] = row
    if not cells:
        raise CohortError(f"{file.name}: holds a header and no rows")
    return {
        name: pd.Series(
            ["" if at is None else row[at] for row in cells.values()],
            index=list(cells),
            dtype=str,
            name=name if at is None else header[at],
        )
        for name, at in places.items()
    }


def _rows(file: TextFile) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with their numbers; the header is the first."""
    first = file.text.lstrip("\r\n").split("\n", 1)[0]
    lines = io.StringIO(file.text, newline="")
    reader = csv.reader(lines, delimiter=max(_SEPARATORS, key=first.count), strict=True)
    try:
        for cells in filter(None, reader):
            yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise CohortError(
            f"{file.name}, row {reader.line_num}: not csv ({error}); is a quotation mark open?"
        ) from None


def _place(column: Column, header: Sequence[str], file: TextFile) -> int | None:
    """Where the column is."""
    meant = {plain(name) for name in (column.name, *column.aliases)}
    found = [at for at, name in enumerate(header) if plain(name) in meant]
    if len(found) > 1:
        both = " and ".join(repr(header[at]) for at in found)
        raise CohortError(
            f"{file.name}: {both} are both columns of {column.name}; keep one of them"
        )
    return found[0] if found else None


def require(ok: pd.Series, values: pd.Series, file: TextFile, expected: str) -> None:
    """Refuse a column of which not all values are `ok`.

    Raises:
        CohortError: names the file, the column, the first bad row, its value and how many.
    """
    if ok.all():
        return
    row = ok.index[~ok][0]
    more = f" ({(~ok).sum():,} such rows)" if (~ok).sum() > 1 else ""
    raise CohortError(
        f"{file.name}, row {row}: {values.name} is {values[row]!r}; expected {expected}{more}"
    )


def numbers(values: pd.Series, file: TextFile, expected: str) -> pd.Series:
    """A column of text as finite numbers, or a refusal."""
    parsed = pd.to_numeric(values, errors="coerce").astype(float)
    require(parsed.abs() < float("inf"), values, file, expected)
    return parsed


def whole_numbers(values: pd.Series, file: TextFile) -> pd.Series:
    """A column of digits as integers, or a refusal; `3056.0`, as spreadsheets write it, is one."""
    digits = values.str.extract(r"^(\d{1,18})(?:\.0*)?$")[0]
    require(digits.notna(), values, file, "a whole number")
    return digits.astype("int64")
