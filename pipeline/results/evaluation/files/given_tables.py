"""A stranger's table, csv or parquet, with all its columns as they are."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.base.broken_files import impostor, spreadsheet
from pipeline.errors import ArtifactError


def read_given_table(path: Path, *, rows: str) -> pd.DataFrame:
    """The table by number of row, as a spreadsheet counts: a csv file's header is row 1.

    Columns without a name and without a value, which trailing commas make, are left out.

    Args:
        path: csv (also gzipped) or parquet, whatever its name.
        rows: what a row is, for messages.

    Raises:
        ArtifactError: no such file, something else is in it, two columns have one name, or there
            is no row.
    """
    try:
        with path.open("rb") as file:
            start = file.read(64)
        reason = impostor(start) or spreadsheet(start)
        if reason is not None:
            raise ArtifactError(f"{path}: {reason}")
        is_parquet = start.startswith(b"PAR1")
        table = pq.read_table(path) if is_parquet else pyarrow.csv.read_csv(path)
        table = _without_blank_columns(table)
        names = table.column_names
        # what pandas has noted would make some columns an index
        frame: pd.DataFrame = table.replace_schema_metadata(None).to_pandas()
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{path}: its header is not UTF-8 text ({error.reason})") from None
    except (pa.ArrowException, ValueError, OSError) as error:
        raise ArtifactError(f"{path}: neither csv nor parquet ({error})") from None
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ArtifactError(f"{path}: has several columns called {', '.join(repeated)}")
    if frame.empty:
        raise ArtifactError(f"{path}: holds no {rows}")
    first = 1 if is_parquet else 2  # as a spreadsheet counts, where there is a header
    return frame.set_index(pd.RangeIndex(first, first + len(frame)))


def file_names(images: pd.Series, parts: int = 1) -> pd.Series:
    """Names of images: so many parts of their paths, from the end, joined by `_`."""
    split = images.astype(str).str.split(r"[/\\]", regex=True)
    return split.map(lambda path: "_".join(path[-parts:]))


def _without_blank_columns(table: pa.Table) -> pa.Table:
    blank = [
        place
        for place, name in enumerate(table.column_names)
        if not name and table.column(place).null_count == len(table)
    ]
    return table.select([place for place in range(table.num_columns) if place not in blank])
