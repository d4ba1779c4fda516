"""The table of ChestX-ray14, either release (Wang et al., CVPR 2017)."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pipeline.base.findings import FINDINGS, NO_FINDING, canonical, plain
from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.cohort.reading.csv_text import Column, read_columns, require, whole_numbers
from pipeline.cohort.reading.image_files import image_key
from pipeline.cohort.reading.tags import OLDEST_YEARS, age_in_years, gender_of

COLUMNS = (
    Column("Image Index", ("Image", "Image ID", "Filename")),
    Column("Finding Labels", ("Finding Label", "Findings")),
    Column("Follow-up #", ("Follow-up", "Follow-up Number")),
    Column("Patient ID"),
    Column("Patient Age", ("Age",)),
    Column("Patient Sex", ("Patient Gender", "Sex", "Gender")),  # both are official
    Column("View Position", ("View",)),
    Column("OriginalImage[Width", ("OriginalImageWidth",), is_needed=False),
    Column("Height]", ("OriginalImageHeight",), is_needed=False),  # its own comma splits the name
)
"""What is read, by NIH's names of today."""


@dataclass(frozen=True)
class Entries:
    """The table, and what was not taken from it as it stands."""

    table: pd.DataFrame
    """Sorted by image_index: image_index, patient_id, follow_up, age_years, gender,
    view_position and one bool column per finding."""
    originals: pd.DataFrame
    """image_index, width and height in pixels before NIH resized the images: not the files'. NaN
    where the table does not say."""
    source: str
    """The file's name."""
    absurd_ages: list[dict[str, str]]
    """`image_index` and `age` as written, of ages made null because no one is so old."""
    missing_ages: int
    """Rows without an age."""
    taken: dict[str, Any] = field(default_factory=dict)
    """Of a table that is none of NIH's: what was counted, dropped or is unknown."""


def parse_entries(file: TextFile) -> Entries:
    """Read `Data_Entry_2017_v2020.csv` or `Data_Entry_2017.csv`.

    Ages are whole years (v2020, other copies) or carry a unit (`058Y`, `011M`, `001D`: the
    first release). Widths and heights are those of the film before NIH resized it, so they are
    kept apart.

    Raises:
        CohortError: names the file, the row and what was expected.
    """
    text = read_columns(file, COLUMNS)
    names, views = text["Image Index"], text["View Position"].str.upper()
    genders = text["Patient Sex"].map(gender_of)
    require(names.str.fullmatch(r"[^/\\]+"), names, file, "a file name, such as 00000001_000.png")
    keys = names.map(image_key)
    require(~keys.duplicated(), names, file, "every image once; this name came before")
    require(genders.notna(), text["Patient Sex"], file, "M or F")
    require(views.isin(["PA", "AP"]), views, file, "PA or AP")
    width, height = (_sides(text[side.name], file) for side in COLUMNS[-2:])
    years = _years(text["Patient Age"], file)
    absurd = years > OLDEST_YEARS
    table = pd.DataFrame(
        {
            "image_index": names,
            "patient_id": whole_numbers(text["Patient ID"], file),
            "follow_up": whole_numbers(text["Follow-up #"], file),
            "age_years": years.mask(absurd),
            "gender": genders,
            "view_position": views,
            **_targets(text["Finding Labels"], file),
        }
    )
    return Entries(
        table=table.sort_values("image_index").reset_index(drop=True),
        originals=pd.DataFrame({"image_index": names, "width": width, "height": height}),
        source=file.name,
        absurd_ages=_records(names[absurd], text["Patient Age"][absurd]),
        missing_ages=int(years.isna().sum()),
    )


def _years(ages: pd.Series, file: TextFile) -> pd.Series:
    years = ages.map(age_in_years).astype(float)
    expected = "an age such as 58, 058Y, 011M or 001D, or nothing"
    require(years.notna() | (ages == ""), ages, file, expected)
    return years


def _sides(values: pd.Series, file: TextFile) -> pd.Series:
    """Pixels, NaN where the table does not say."""
    given = values[values != ""]
    return whole_numbers(given, file).reindex(values.index).astype(float)


def _records(names: pd.Series, ages: pd.Series) -> list[dict[str, str]]:
    pairs = sorted(zip(names, ages, strict=True))
    return [{"image_index": name, "age": age} for name, age in pairs]


def _targets(labels: pd.Series, file: TextFile) -> dict[str, pd.Series]:
    """One bool column per finding from `A|B` or `No Finding`."""
    codes, texts = pd.factorize(labels)
    sets = [_finding_set(text) for text in texts]
    known = pd.Series([found is not None for found in sets])[codes].set_axis(labels.index)
    expected = f"{NO_FINDING!r} alone, or names joined by | out of {', '.join(FINDINGS)}"
    require(known, labels, file, expected)
    return {
        finding: pd.Series([finding in (found or ()) for found in sets])[codes].set_axis(
            labels.index
        )
        for finding in FINDINGS
    }


def _finding_set(label: str) -> frozenset[str] | None:
    if plain(label) == plain(NO_FINDING):
        return frozenset()
    try:
        return frozenset(canonical(name) for name in label.split("|"))
    except ValueError:
        return None
