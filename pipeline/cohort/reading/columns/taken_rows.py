"""Which rows of a table are taken: those that are wanted, of frontal views."""

from collections import Counter

import pandas as pd

from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.cohort.reading.columns.named_labels import is_blank
from pipeline.cohort.reading.csv_text import Column, read_columns
from pipeline.cohort.reading.tags import frontal_view
from pipeline.params.columns import ColumnsParams

Text = dict[str, pd.Series]
"""Columns of text, by their names in the layout."""


def taken_rows(file: TextFile, layout: ColumnsParams) -> tuple[Text, Counter[str]]:
    """The columns of a layout without the rows that are left out, and why how many of these are.

    A row is left out that has another value than `layout.only` asks for, or another view than PA
    and AP. One without a view is taken.

    Raises:
        CohortError: a column is missing, or a row is broken.
    """
    text = read_columns(file, _columns(layout))
    left_out: Counter[str] = Counter()
    for column, wanted in layout.only.items():
        there = text[column].str.casefold().isin([value.casefold() for value in wanted])
        text = _without(text, ~there, column, left_out)
    if layout.view is not None:
        other = text[layout.view].map(frontal_view).isna() & ~is_blank(text[layout.view])
        text = _without(text, other, layout.view, left_out)
    return text, left_out


def _without(text: Text, rows: pd.Series, column: str, left_out: Counter[str]) -> Text:
    counts = text[column][rows].value_counts().items()
    left_out.update({f"{column} = {value}": int(count) for value, count in counts})
    return {name: cells[~rows] for name, cells in text.items()}


def _columns(layout: ColumnsParams) -> list[Column]:
    """All that is read, once each."""
    age = [layout.age] if isinstance(layout.age, str) else layout.age or []
    labels = [layout.labels] if isinstance(layout.labels, str) else layout.labels
    names = [layout.image, layout.patient, layout.gender, layout.view, layout.reader]
    wanted = dict.fromkeys([*names, *age, *layout.only, *labels])
    return [Column(name) for name in wanted if name is not None]
