"""A cohort's table in whatever layout `ingest.columns` says it is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.base.findings import FINDINGS
from pipeline.cohort.reading.cohort_source import CohortFiles, TextFile, find_cohort
from pipeline.cohort.reading.columns.account import account, tell, total
from pipeline.cohort.reading.columns.layouts import LAYOUTS
from pipeline.cohort.reading.columns.merged_rows import one_row_each
from pipeline.cohort.reading.columns.named_labels import RowLabels, is_blank, row_labels
from pipeline.cohort.reading.columns.people import ages, genders, numbered, patients, views
from pipeline.cohort.reading.columns.taken_rows import taken_rows
from pipeline.cohort.reading.csv_text import require
from pipeline.cohort.reading.image_files import image_key, name_of
from pipeline.cohort.reading.nih import Entries, parse_entries
from pipeline.cohort.reading.tags import OLDEST_YEARS
from pipeline.errors import CohortError
from pipeline.params.columns import Columns, ColumnsParams
from pipeline.params.sections import IngestParams


def cohort_of(folder: Path, params: IngestParams) -> CohortFiles:
    """The files of a cohort, with the tables that `params.columns` names; see `find_cohort`."""
    layout = layout_of(params.columns)
    if layout is None:
        return find_cohort(folder)
    return find_cohort(folder, tables=layout.tables, parts=layout.image_parts)


def read_entries(cohort: CohortFiles, params: IngestParams) -> Entries:
    """What the cohort's tables say of its images.

    Raises:
        CohortError: names the file, the row and what was expected.
    """
    layout = layout_of(params.columns)
    if layout is None:
        return parse_entries(cohort.entries)
    return parse_tables(cohort.tables, layout, uncertain=params.uncertain)


def layout_of(columns: Columns) -> ColumnsParams | None:
    """The columns that a layout stands for; None of NIH's own, of which there are several."""
    return columns if isinstance(columns, ColumnsParams) else LAYOUTS.get(columns)


@dataclass(frozen=True)
class _Rows:
    """The rows of one file that are taken."""

    table: pd.DataFrame
    """Whatever the file says: image_index, key, patient, age_years, age, gender, view_position,
    reader, where (file and row), and a column of 1, 0 or NaN for each finding."""
    labels: RowLabels
    left_out: Counter[str]


def parse_tables(files: Sequence[TextFile], layout: ColumnsParams, *, uncertain: str) -> Entries:
    """One row for each image, from the rows of all files.

    A finding that no file has a name of is unknown of all images. An age that nobody can have
    is null, and so is what the tables do not say.

    Args:
        files: the tables, which have the same columns.
        layout: which those are.
        uncertain: zeros, ones or ignore: what a label of -1 becomes.

    Raises:
        CohortError: names the file, the row and what was expected.
    """
    parts, source = [_rows(file, layout, uncertain) for file in files], _names(files)
    _expect_some(parts, source)
    rows = pd.concat([part.table for part in parts if len(part.table)], ignore_index=True)
    images = one_row_each(rows, layout)
    named = {finding for part in parts for finding in part.labels.named}
    table = _index(images, named)
    taken = account(
        table,
        rows=len(rows),
        left_out=total(part.left_out for part in parts),
        uncertain=total(part.labels.uncertain for part in parts),
        dropped=total(part.labels.dropped for part in parts),
    )
    tell(source, len(table), taken)
    return Entries(
        table=table[[*_ABOUT, *FINDINGS]],
        originals=table[["image_index"]].assign(width=np.nan, height=np.nan),
        source=source,
        absurd_ages=_absurd(images),
        missing_ages=int(images["age_years"].isna().sum()),
        taken=taken,
    )


def _expect_some(parts: Sequence[_Rows], source: str) -> None:
    """Make sure that there are rows, and that they name a finding."""
    if not any(len(part.table) for part in parts):
        left_out = total(part.left_out for part in parts)
        left = ", ".join(f"{why}: {number:,}" for why, number in left_out.items())
        raise CohortError(f"{source}: no row is left to take ({left})")
    if not any(part.labels.named for part in parts):
        names = sorted(total(part.labels.dropped for part in parts))
        raise CohortError(
            f"{source}: names none of the 14 findings; say in ingest.columns.findings what "
            f"its names mean: {', '.join(names[:20])}"
        )


def _rows(file: TextFile, layout: ColumnsParams, uncertain: str) -> _Rows:
    text, left_out = taken_rows(file, layout)
    cells = text[layout.image]
    require(~is_blank(cells), cells, file, "the name of an image")
    names = cells.map(lambda path: name_of(path, layout.image_parts)).astype(str)
    labels = row_labels(text, file, layout, uncertain=uncertain)
    age_years, age = ages(text, file, layout)
    columns = {
        "image_index": names,
        "key": names.map(image_key),
        "patient": patients(text, file, layout),
        "age_years": age_years,
        "age": age,
        "gender": genders(text, file, layout),
        "view_position": views(text, layout),
        "reader": "" if layout.reader is None else text[layout.reader],
        "where": [f"{file.name}, row {row}" for row in cells.index],
        **dict(zip(FINDINGS, labels.states.T, strict=True)),
    }
    table = pd.DataFrame(columns, index=cells.index)
    return _Rows(table.astype({"gender": object, "view_position": object}), labels, left_out)


_ABOUT = ("image_index", "patient_id", "follow_up", "age_years", "gender", "view_position")


def _index(images: pd.DataFrame, named: set[str]) -> pd.DataFrame:
    """Sorted, with patients as numbers, and labels of the kind that the index has."""
    labels = images[list(FINDINGS)].astype("boolean")
    labels.loc[:, [name for name in FINDINGS if name not in named]] = pd.NA
    whole = [name for name in FINDINGS if labels[name].notna().all()]
    table = images.assign(
        **labels.astype(dict.fromkeys(whole, bool)),
        patient_id=numbered(images["patient"]),
        age_years=images["age_years"].mask(_is_absurd(images["age_years"])),
    ).sort_values("image_index", ignore_index=True)
    return table.assign(follow_up=table.groupby("patient_id").cumcount())


def _absurd(images: pd.DataFrame) -> list[dict[str, str]]:
    absurd = images[_is_absurd(images["age_years"])].sort_values("image_index")
    return [
        {"image_index": name, "age": age}
        for name, age in zip(absurd["image_index"], absurd["age"], strict=True)
    ]


def _is_absurd(years: pd.Series) -> pd.Series:
    return (years > OLDEST_YEARS) | (years < 0)


def _names(files: Sequence[TextFile]) -> str:
    return " and ".join(file.name for file in files)
