"""The radiographs that somebody names: files, folders, patterns, a csv of paths."""

import glob
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.base.listing import listed
from pipeline.cohort.reading.cohort_source import read_text_file
from pipeline.cohort.reading.csv_text import Column, read_columns, require
from pipeline.cohort.reading.image_files import IMAGE_ENDINGS, may_be_image
from pipeline.cohort.reading.tags import (
    OLDEST_YEARS,
    UNSAID,
    Tags,
    age_in_years,
    frontal_view,
    gender_of,
)
from pipeline.errors import CohortError

TABLES = (".csv", ".csv.gz", ".tsv")

COLUMNS = (
    Column("Image Index", ("Image", "Image ID", "Image Path", "Path", "File", "Filename")),
    Column("Patient Age", ("Age", "Age Years"), is_needed=False),
    Column("Patient Sex", ("Patient Gender", "Sex", "Gender"), is_needed=False),
    Column("View Position", ("View",), is_needed=False),
)
"""Of a csv of paths; NIH's own table is one."""


@dataclass(frozen=True)
class Source:
    """A file that may be a radiograph, and what is said of it."""

    path: Path
    said: Tags = UNSAID


def find_sources(places: Sequence[str]) -> list[Source]:
    """The files that are meant, each once, in the order in which they are named.

    A folder stands for all radiographs below it, by their endings, in the order of their paths.
    What is no file and has `*`, `?` or `[` in it is a pattern, `**` for any folders. A csv has a
    column of paths, relative to its own folder, and may have age, gender and view: `COLUMNS`.

    Raises:
        CohortError: a folder or pattern stands for no radiograph, or a table cannot be read.
    """
    found: dict[Path, Source] = {}
    for place in places:
        for one in _sources(Path(place).expanduser()):
            found.setdefault(one.path, one)
    return list(found.values())


def _sources(place: Path) -> Iterator[Source]:
    if place.is_dir():
        yield from map(Source, _radiographs(place))
    elif place.name.lower().endswith(TABLES):
        yield from _listed(place)
    elif place.exists() or not glob.has_magic(str(place)):
        yield Source(place)
    else:
        yield from map(Source, _matching(place))


def _radiographs(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file() and _is_visible(path, folder)]
    found = sorted(path for path in files if may_be_image(path.name))
    if not found:
        kinds = Counter(path.suffix.lower() or "without an ending" for path in files)
        there = listed(f"{count:,} {kind} files" for kind, count in kinds.most_common())
        expected = ", ".join(IMAGE_ENDINGS)
        raise CohortError(f"{folder}: no radiograph ({expected}); there are {there or 'no files'}")
    return found


def _is_visible(path: Path, folder: Path) -> bool:
    return not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _matching(pattern: Path) -> list[Path]:
    found = glob.glob(str(pattern), recursive=True)  # noqa: PTH207 (of absolute patterns too)
    files = sorted(path for path in map(Path, found) if path.is_file())
    if not files:
        raise CohortError(f"{pattern}: no file matches this pattern")
    return files


def _listed(table: Path) -> list[Source]:
    file = read_text_file(table)
    text = read_columns(file, COLUMNS)
    names, ages, genders, views = (text[column.name] for column in COLUMNS)
    years = ages.map(age_in_years).astype(float)
    require(names != "", names, file, "a path")
    require(ages.eq("") | years.le(OLDEST_YEARS), ages, file, "an age such as 58 or 058Y, or none")
    for said, meaning, expected in (
        (genders, gender_of, "M or F, or nothing"),
        (views, frontal_view, "PA or AP, or nothing"),
    ):
        require(said.eq("") | said.map(meaning).notna(), said, file, expected)
    return [
        Source(
            table.parent / name,
            Tags(None if pd.isna(age) else age, gender_of(gender), frontal_view(view)),
        )
        for name, age, gender, view in zip(names, years, genders, views, strict=True)
    ]
