"""Text of a csv file as columns of text, and refusals that name file, row and expectation."""

import csv
from collections.abc import Sequence

import pandas as pd

from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.errors import CohortError


def read_columns(file: TextFile, columns: Sequence[str]) -> pd.DataFrame:
    """The named columns as text, indexed by row number as a spreadsheet counts (header: 1).

    Trailing empty cells, as NIH's first release and its box list have them, are ignored.

    Raises:
        CohortError: a column is missing, or a row has too few or too many cells.
    """
    reader = csv.reader(file.text.splitlines())
    header = [name.strip() for name in next(reader, [])]
    missing = [name for name in columns if name not in header]
    if missing:
        hint = "; is it separated by commas?" if len(header) == 1 else ""
        raise CohortError(
            f"{file.name}: lacks the columns {missing}; its header is {header}{hint}"
        )
    width = max(at for at, name in enumerate(header) if name) + 1
    rows: dict[int, list[str]] = {}
    for cells in filter(None, reader):
        if len(cells) < width or any(cells[width:]):
            raise CohortError(
                f"{file.name}, row {reader.line_num}: {len(cells)} cells; expected {width}"
            )
        rows[reader.line_num] = [cell.strip() for cell in cells[:width]]
    if not rows:
        raise CohortError(f"{file.name}: holds a header and no rows")
    table = pd.DataFrame(list(rows.values()), index=list(rows), columns=header[:width], dtype=str)
    return table[list(columns)]


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
    """A column of digits as integers, or a refusal."""
    require(values.str.fullmatch(r"\d{1,18}"), values, file, "a whole number")
    return values.astype("int64")
