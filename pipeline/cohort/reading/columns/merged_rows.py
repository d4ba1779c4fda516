"""Rows of a table to one row for each image."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.base.findings import FINDINGS
from pipeline.cohort.reading.columns.readers import READERS
from pipeline.errors import CohortError
from pipeline.params.columns import ColumnsParams

_SAID = {
    "image_index": "a name",
    "patient": "a patient",
    "age": "an age",
    "gender": "a gender",
    "view_position": "a view",
}
"""What all rows of an image must agree on."""


def one_row_each(rows: pd.DataFrame, layout: ColumnsParams) -> pd.DataFrame:
    """Rows by image, in order of first appearance.

    What a column of names says adds up over the rows of a reader; where each finding has a column
    of its own, rows of a reader are copies of each other. Then readers vote.

    Args:
        rows: key, reader, where, what is said of the image, and 1, 0 or NaN for each finding.
        layout: of the table.

    Raises:
        CohortError: two rows of an image differ where they must not.
    """
    by_reader = ["key", "reader"]
    several, copies = (rows[rows.duplicated(by, keep=False)] for by in (["key"], by_reader))
    for column, what in _SAID.items():
        _expect_alike(several, ["key"], column, f"{what} ({column})")
    if not isinstance(layout.labels, str):
        for finding in FINDINGS:
            _expect_alike(copies, by_reader, finding, f"a label of {finding}")
    labels = rows.groupby(by_reader, sort=False)[list(FINDINGS)].max()
    grouped = labels.groupby("key", sort=False)
    yes, said = grouped.sum().to_numpy(np.int64), grouped.count().to_numpy(np.int64)
    voted = READERS[layout.readers](yes, said)
    first = rows.drop_duplicates("key").drop(columns=list(FINDINGS)).reset_index(drop=True)
    columns = pd.DataFrame(voted, columns=list(FINDINGS))
    return pd.concat([first, columns], axis=1)


def _expect_alike(rows: pd.DataFrame, by: list[str], column: str, what: str) -> None:
    """Refuse rows that belong together and differ; null is a value like any other."""
    differing = rows.assign(value=rows[column].astype(object).where(rows[column].notna(), "?"))
    values = differing[[*by, "value"]].drop_duplicates()
    again = values[values.duplicated(by)]
    if again.empty:
        return
    here = again.index[0]
    first = rows.index[(rows[by] == rows.loc[here, by]).all(axis=1)][0]
    more = f" ({len(again):,} such rows)" if len(again) > 1 else ""
    one, other = rows.loc[first], rows.loc[here]
    raise CohortError(
        f"{other['where']}: {other['image_index']} came before, in {one['where']}, with {what} of "
        f"{_said(one[column])}, now {_said(other[column])}; rows of one image may be copies, and "
        "no more: remove one, or name the column that tells readers apart in "
        f"ingest.columns.reader{more}"
    )


def _said(value: Any) -> str:
    if pd.isna(value):
        return "nothing"
    return repr(value) if isinstance(value, str) else f"{value:g}"
