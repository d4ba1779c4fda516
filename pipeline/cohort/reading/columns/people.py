"""Patients in a table that is none of NIH's: who they are, their age, gender and view."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.cohort.reading.columns.named_labels import is_blank
from pipeline.cohort.reading.csv_text import require
from pipeline.cohort.reading.tags import age_in_years, frontal_view, gender_of
from pipeline.params.columns import ColumnsParams

NO_GENDER = ("o", "other", "u", "unk", "unknown")
"""Genders that are neither M nor F; as a blank one, they are unknown."""

_DATE = re.compile(r"(\d{4})(?:[-/.]?(\d{2})[-/.]?(\d{2}))?(?:\.0*)?(?:[ T].*)?")


def patients(text: Mapping[str, pd.Series], file: TextFile, layout: ColumnsParams) -> pd.Series:
    """Who each row's patient is, as the table has it."""
    cells = text[layout.patient]
    if layout.patient_pattern is None:
        require(~is_blank(cells), cells, file, "a patient")
        return cells
    found = cells.str.extract(f"(?:{layout.patient_pattern})")[0]
    pattern = f"a patient as in ingest.columns.patient_pattern, {layout.patient_pattern!r}"
    require(found.notna(), cells, file, pattern)
    return found


def numbered(names: pd.Series) -> pd.Series:
    """Patients as whole numbers: as they are where all are, else 1, 2, ... in order of name."""
    digits = names.str.extract(r"^(\d{1,18})(?:\.0*)?$")[0]
    if digits.notna().all():
        return digits.astype("int64")
    codes, _ = pd.factorize(names, sort=True)
    return pd.Series(codes + 1, index=names.index, dtype="int64")


def genders(
    text: Mapping[str, pd.Series], file: TextFile, layout: ColumnsParams
) -> pd.Series | None:
    """M, F, or null where the table has none of both; None without such a column."""
    if layout.gender is None:
        return None
    cells = text[layout.gender]
    found = cells.map(gender_of)
    unsaid = is_blank(cells) | cells.str.casefold().isin(NO_GENDER)
    require(found.notna() | unsaid, cells, file, "M, F, male, female, or nothing")
    return found


def views(text: Mapping[str, pd.Series], layout: ColumnsParams) -> pd.Series | None:
    """PA, AP, or null where nothing is said; None without such a column."""
    return None if layout.view is None else text[layout.view].map(frontal_view)


def ages(
    text: Mapping[str, pd.Series], file: TextFile, layout: ColumnsParams
) -> tuple[pd.Series | float, pd.Series | str]:
    """Years, NaN where nothing is said, and as they are written."""
    if layout.age is None:
        return np.nan, ""
    if isinstance(layout.age, str):
        cells = text[layout.age]
        years = cells.map(_years).astype(float)
        expected = "an age such as 58, 58.5, 058Y, 011M or 001D, or nothing"
        require(years.notna() | is_blank(cells), cells, file, expected)
        return years, cells
    birth, examined = (_dates(text[name], file) for name in layout.age)
    written = text[layout.age[1]] + " less " + text[layout.age[0]]
    whole = birth["has_day"] & examined["has_day"]
    exact, of_years = examined["at"] - birth["at"], examined["year"] - birth["year"]
    return exact.where(whole, of_years), written


def _years(text: str) -> float | None:
    found = age_in_years(text)
    if found is None and re.fullmatch(r"\d{1,3}\.\d+", text):
        return float(text)
    return found


def _dates(cells: pd.Series, file: TextFile) -> pd.DataFrame:
    """`year`, `at` (years with their fraction) and whether there is a day; NaN of nothing."""
    parts = cells.str.extract(f"^{_DATE.pattern}$")
    year, month, day = (pd.to_numeric(parts[at]).astype(float) for at in range(3))
    is_date = year.notna() & ~(month > 12) & ~(day > 31)
    expected = "a year or a date, such as 1956, 19560314 or 1956-03-14, or nothing"
    require(is_date | is_blank(cells), cells, file, expected)
    at = year + (month - 1) / 12 + (day - 1) / 365.25
    return pd.DataFrame({"year": year, "at": at, "has_day": np.isfinite(at)})
