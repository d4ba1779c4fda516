"""Labels that predictions are judged by: a table in any layout."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline.cohort.reading.cohort_source import read_text_file
from pipeline.cohort.reading.columns.any_table import parse_tables
from pipeline.cohort.reading.columns.layouts import LAYOUTS
from pipeline.cohort.reading.nih import parse_entries
from pipeline.params.columns import ColumnsParams
from pipeline.params.given_columns import columns_given


class GivenLabels(NamedTuple):
    """What a table says of its images."""

    entries: pd.DataFrame
    """As `pipeline.cohort.reading.nih.parse_entries` has them."""
    parts: int
    """How many parts of an image's path, from its end, are its name."""


def read_labels(path: Path, *, layout: str, uncertain: str) -> GivenLabels:
    """Read a table of labels.

    Args:
        path: csv, also gzipped.
        layout: NIH's, another by its name, or a YAML file, as `columns_given` takes it.
        uncertain: zeros, ones or ignore: what a label of -1 becomes.

    Raises:
        CohortError: names the row and what was expected.
        ParamsError: no such layout.
    """
    file, told = read_text_file(path), columns_given(layout, option="--layout")
    columns = told if isinstance(told, ColumnsParams) else LAYOUTS.get(told)
    if columns is None:
        return GivenLabels(parse_entries(file).table, 1)
    entries = parse_tables([file], columns, uncertain=uncertain)
    return GivenLabels(entries.table, columns.image_parts)
