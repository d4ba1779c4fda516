"""A cohort's table in whatever layout `ingest.columns` says it is."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.base.findings import FINDINGS
from pipeline.cohort.reading.cohort_source import CohortFiles, TextFile, find_cohort
from pipeline.cohort.reading.columns.layouts import LAYOUTS
from pipeline.cohort.reading.columns.merged_rows import one_row_each
from pipeline.cohort.reading.columns.named_labels import RowLabels, is_blank, row_labels
from pipeline.cohort.reading.columns.people import ages, genders, numbered, patients, views
from pipeline.cohort.reading.csv_text import Column, read_columns, require
from pipeline.cohort.reading.image_files import image_key, name_of
from pipeline.cohort.reading.nih import Entries, parse_entries
from pipeline.cohort.reading.tags import OLDEST_YEARS
from pipeline.errors import CohortError
from pipeline.params.columns import ColumnsParams
from pipeline.params.sections import IngestParams

log = logging.getLogger(__name__)


def cohort_of(folder: Path, params: IngestParams) -> CohortFiles:
    """The files of a cohort, with the tables that `params.columns` names; see `find_cohort`."""
    layout = _layout(params)
    if layout is None:
        return find_cohort(folder)
    return find_cohort(folder, tables=layout.tables, parts=layout.image_parts)


def read_entries(cohort: CohortFiles, params: IngestParams) -> Entries:
    """What the cohort's tables say of its images.

    Raises:
        CohortError: names the file, the row and what was expected.
    """
    layout = _layout(params)
    if layout is None:
        return parse_entries(cohort.entries)
    return parse_tables(cohort.tables, layout, uncertain=params.uncertain)


def _layout(params: IngestParams) -> ColumnsParams | None:
    columns = params.columns
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
    parts = [_rows(file, layout, uncertain) for file in files]
    rows = pd.concat([part.table for part in parts], ignore_index=True)
    if rows.empty:
        left = ", ".join(f"{why}: {number:,}" for why, number in _left_out(parts).items())
        raise CohortError(f"{_names(files)}: no row is left to take ({left})")
    named = set().union(*(part.labels.named for part in parts))
    if not named:
        raise CohortError(
            f"{_names(files)}: names none of the 14 findings; say in ingest.columns.findings what "
            f"its names mean: {', '.join(sorted(_dropped(parts))[:20])}"
        )
    images = one_row_each(rows, layout)
    labels = images[list(FINDINGS)].astype("boolean")
    labels.loc[:, [name for name in FINDINGS if name not in named]] = pd.NA
    known = [name for name in FINDINGS if labels[name].notna().all()]
    table = images.assign(**labels.astype(dict.fromkeys(known, bool)))
    table = table.assign(
        patient_id=numbered(table["patient"]), age_years=_sound(table["age_years"])
    ).sort_values("image_index", ignore_index=True)
    table["follow_up"] = table.groupby("patient_id").cumcount()
    entries = Entries(
        table=table[[*_ABOUT, *FINDINGS]],
        originals=table[["image_index"]].assign(width=np.nan, height=np.nan),
        source=_names(files),
        absurd_ages=_absurd(table.assign(age_years=table["image_index"].map(_by_name(images)))),
        missing_ages=int(images["age_years"].isna().sum()),
        taken=_account(parts, rows, table),
    )
    _tell(entries)
    return entries


_ABOUT = ("image_index", "patient_id", "follow_up", "age_years", "gender", "view_position")


def _rows(file: TextFile, layout: ColumnsParams, uncertain: str) -> _Rows:
    text, left_out = _taken(read_columns(file, _columns(layout)), layout)
    view = views(text, layout)
    if view is not None:
        other = view == ""
        cells = text[layout.view or ""][other]
        left_out.update({f"{layout.view} = {word}": n for word, n in cells.value_counts().items()})
        text = {name: cells[~other] for name, cells in text.items()}
        view = view[~other]
    cells = text[layout.image]
    require(~is_blank(cells), cells, file, "the name of an image")
    names = cells.map(lambda path: name_of(path, layout.image_parts))
    labels = row_labels(text, file, layout, uncertain=uncertain)
    age = ages(text, file, layout)
    columns: dict[str, Any] = {
        "image_index": names,
        "key": names.map(image_key),
        "patient": patients(text, file, layout),
        "age_years": np.nan if age is None else age[0],
        "age": "" if age is None else age[1],
        "gender": genders(text, file, layout),
        "view_position": view,
        "reader": "" if layout.reader is None else text[layout.reader],
        "where": [f"{file.name}, row {row}" for row in cells.index],
        **dict(zip(FINDINGS, labels.states.T, strict=True)),
    }
    table = pd.DataFrame(columns, index=cells.index)
    return _Rows(table.astype({"gender": object, "view_position": object}), labels, left_out)


def _columns(layout: ColumnsParams) -> list[Column]:
    """All that is read, once each."""
    age = [layout.age] if isinstance(layout.age, str) else layout.age or []
    labels = [layout.labels] if isinstance(layout.labels, str) else layout.labels
    names = [layout.image, layout.patient, layout.gender, layout.view, layout.reader]
    wanted = dict.fromkeys([*names, *age, *layout.only, *labels])
    return [Column(name) for name in wanted if name is not None]


def _taken(
    text: dict[str, pd.Series], layout: ColumnsParams
) -> tuple[dict[str, pd.Series], Counter[str]]:
    """The rows that `layout.only` asks for, and how many others there are, by why."""
    left_out: Counter[str] = Counter()
    for column, wanted in layout.only.items():
        cells = text[column]
        there = cells.str.casefold().isin([value.casefold() for value in wanted])
        counts = cells[~there].value_counts().items()
        left_out.update({f"{column} = {value}": int(count) for value, count in counts})
        text = {name: cells[there] for name, cells in text.items()}
    return text, left_out


def _sound(years: pd.Series) -> pd.Series:
    return years.mask((years > OLDEST_YEARS) | (years < 0))


def _by_name(images: pd.DataFrame) -> dict[str, float]:
    return dict(zip(images["image_index"], images["age_years"], strict=True))


def _absurd(images: pd.DataFrame) -> list[dict[str, str]]:
    years = images["age_years"]
    absurd = images[years.notna() & _sound(years).isna()]
    return [
        {"image_index": name, "age": age}
        for name, age in zip(absurd["image_index"], absurd["age"], strict=True)
    ]


def _names(files: Sequence[TextFile]) -> str:
    return " and ".join(file.name for file in files)


def _left_out(parts: Sequence[_Rows]) -> Counter[str]:
    return _total(part.left_out for part in parts)


def _dropped(parts: Sequence[_Rows]) -> Counter[str]:
    return _total(part.labels.dropped for part in parts)


def _total(counts: Iterable[Counter[str]]) -> Counter[str]:
    """Their sum, in which noughts stay."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total


def _account(parts: Sequence[_Rows], rows: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any]:
    """What was counted, dropped or is unknown, as JSON-able values."""
    unknown = {name: int(table[name].isna().sum()) for name in FINDINGS}
    return {
        "rows_taken": len(rows),
        "rows_left_out": dict(_left_out(parts)),
        "rows_beside_the_first_of_an_image": len(rows) - len(table),
        "patients": int(table["patient_id"].nunique()),
        "genders_unknown": int(table["gender"].isna().sum()),
        "views_unknown": int(table["view_position"].isna().sum()),
        "labels_uncertain": dict(_total(part.labels.uncertain for part in parts)),
        "labels_unknown": {name: count for name, count in unknown.items() if count},
        "names_dropped": dict(sorted(_dropped(parts).items())),
    }


def _tell(entries: Entries) -> None:
    taken, images = entries.taken, len(entries.table)
    log.info(
        "%s: %s rows of %s images and %s patients", entries.source, f"{taken['rows_taken']:,}",
        f"{images:,}", f"{taken['patients']:,}",
    )  # fmt: skip
    for what in ("rows_left_out", "labels_uncertain", "names_dropped"):
        if taken[what]:
            said = ", ".join(f"{name} {count:,}" for name, count in taken[what].items())
            log.info("  %s: %s", what.replace("_", " "), said)
    never = [name for name, count in taken["labels_unknown"].items() if count == images]
    if never:
        log.warning("%s: unknown of all images: %s", entries.source, ", ".join(never))
