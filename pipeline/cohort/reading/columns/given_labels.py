"""Labels that predictions are judged by: a table in any layout."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline.cohort.reading.cohort_source import read_text_file
from pipeline.cohort.reading.columns.any_table import layout_of, parse_tables
from pipeline.cohort.reading.nih import parse_entries
from pipeline.params.columns import Columns


class GivenLabels(NamedTuple):
    """What a table says of its images."""

    entries: pd.DataFrame
    """As `pipeline.cohort.reading.nih.parse_entries` has them."""
    parts: int
    """How many parts of an image's path, from its end, are its name."""


def read_labels(path: Path, layout: Columns, *, uncertain: str) -> GivenLabels:
    """Read a table of labels.

    Args:
        path: csv, also gzipped.
        layout: by its name, or by its columns.
        uncertain: zeros, ones or ignore: what a label of -1 becomes.

    Raises:
        CohortError: names the row and what was expected.
    """
    file = read_text_file(path)
    columns = layout_of(layout)
    if columns is None:
        return GivenLabels(parse_entries(file).table, 1)
    entries = parse_tables([file], columns, uncertain=uncertain)
    return GivenLabels(entries.table, columns.image_parts)
