"""The table of ChestX-ray14, either release (Wang et al., CVPR 2017)."""

from dataclasses import dataclass

import pandas as pd

from pipeline.base.findings import FINDINGS, NO_FINDING, canonical
from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.cohort.reading.csv_text import read_columns, require, whole_numbers
from pipeline.errors import CohortError

COLUMNS = (
    "Image Index",
    "Finding Labels",
    "Follow-up #",
    "Patient ID",
    "Patient Age",
    "Patient Gender",
    "View Position",
    "OriginalImage[Width",  # the header is split by its own commas
    "Height]",
)

OLDEST_YEARS = 120.0
"""Ages above it are typing errors; the releases hold ages up to 414."""

_YEARS_PER = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}


@dataclass(frozen=True)
class Entries:
    """The table, and what was not taken from it as it stands."""

    table: pd.DataFrame
    """Sorted by image_index: image_index, patient_id, follow_up, age_years, gender,
    view_position and one bool column per finding."""
    originals: pd.DataFrame
    """image_index, width and height in pixels before NIH resized the images: not the files'."""
    source: str
    """The file's name."""
    absurd_ages: list[dict[str, str]]
    """`image_index` and `age` as written, of ages made null because no one is so old."""
    missing_ages: int
    """Rows without an age."""


def parse_entries(file: TextFile) -> Entries:
    """Read `Data_Entry_2017_v2020.csv` or `Data_Entry_2017.csv`.

    Ages are whole years (v2020, other copies) or carry a unit (`058Y`, `011M`, `001D`: the
    first release). Widths and heights are those of the film before NIH resized it, so they are
    kept apart.

    Raises:
        CohortError: names the file, the row and what was expected.
    """
    text = read_columns(file, COLUMNS)
    names, genders, views = text["Image Index"], text["Patient Gender"], text["View Position"]
    require(names.str.fullmatch(r"[^/\\]+\.png"), names, file, "a file name ending in .png")
    require(~names.duplicated(), names, file, "every image once; this name came before")
    require(genders.isin(["M", "F"]), genders, file, "M or F")
    require(views.isin(["PA", "AP"]), views, file, "PA or AP")
    width, height = (whole_numbers(text[side], file) for side in COLUMNS[-2:])
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
    parts = ages.str.extract(r"^(\d{1,6})([YMWD]?)$")
    expected = "an age such as 58, 058Y, 011M or 001D, or nothing"
    require(parts[0].notna() | (ages == ""), ages, file, expected)
    return parts[0].astype(float) * parts[1].map(_YEARS_PER).astype(float)


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
    if label == NO_FINDING:
        return frozenset()
    try:
        return frozenset(canonical(name) for name in label.split("|"))
    except ValueError:
        return None


def check_found(entries: Entries, found: set[str], *, folder: str, partial: bool) -> list[str]:
    """The images of the table that were not found, sorted.

    Raises:
        CohortError: there are some and the cohort is not said to be partial, or none was found.
    """
    names = entries.table["image_index"]
    missing = list(names[~names.isin(found)])
    if not missing or (partial and len(missing) < len(names)):
        return missing
    mend = (
        "check ingest.source, or the archives' names"
        if len(missing) == len(names)
        else "complete the folder, or set ingest.partial: true to use what is there"
    )
    raise CohortError(
        f"{folder}: expected the {len(names):,} images of {entries.source}, found "
        f"{len(names) - len(missing):,}; {len(missing):,} missing, first: "
        f"{', '.join(missing[:5])}; {mend}"
    )
