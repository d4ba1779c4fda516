"""Anybody's file as the radiograph that a model is shown."""

from dataclasses import dataclass
from math import isnan

import numpy as np
from jaxtyping import UInt8

from pipeline.cohort.reading.images import decode_grey
from pipeline.cohort.reading.tags import (
    OLDEST_YEARS,
    UNSAID,
    Tags,
    age_in_years,
    frontal_view,
    gender_of,
)

LATERAL = "a lateral view: the model was trained on frontal ones"


@dataclass(frozen=True)
class Radiograph:
    """A picture, and what is known beside it."""

    pixels: UInt8[np.ndarray, "h w"]
    """As large as its file has them, air dark."""
    patient: Tags = UNSAID
    doubts: tuple[str, ...] = ()
    """What the file leaves open."""
    warnings: tuple[str, ...] = ()
    """What it says of itself, for which no model is made."""


def read_radiograph(file: bytes, *, lateral: bool = False) -> Radiograph:
    """Decode a PNG, JPEG or DICOM file, as `ingest` does.

    Args:
        file: its bytes.
        lateral: whether a DICOM file that says it is a lateral view is taken; others do not say.

    Raises:
        CohortError: the reason why it is no whole grey picture, or no radiograph of a chest.
    """
    image = decode_grey(file, lateral=lateral)
    return Radiograph(
        image.pixels,
        image.tags,
        doubts=(image.doubt,) if image.doubt else (),
        warnings=(LATERAL,) if image.is_lateral else (),
    )


def stated(
    age: float | int | str | None = None, gender: str | None = None, view: str | None = None
) -> Tags:
    """What a person says of a patient, in the spellings of a table.

    Raises:
        ValueError: names what is no age, gender or frontal view.
    """
    years = age_in_years(age.strip()) if isinstance(age, str) else age
    if age is not None and (years is None or not (isnan(years) or 0 <= years <= OLDEST_YEARS)):
        raise ValueError(f"age {age}; expected years, 0 to {OLDEST_YEARS}")
    of_gender, of_view = gender_of(gender or ""), frontal_view(view or "")
    if gender and of_gender is None:
        raise ValueError(f"gender {gender}; expected M or F")
    if view and of_view is None:
        raise ValueError(f"view {view}; expected PA or AP")
    return Tags(None if years is None or isnan(years) else float(years), of_gender, of_view)


def known(*sources: Tags) -> Tags:
    """What is known of a patient: of each value, the first source that has it."""

    def first(name: str) -> object:
        return next((value for one in sources if (value := getattr(one, name)) is not None), None)

    return Tags(*(first(name) for name in ("age", "gender", "view")))  # type: ignore[arg-type]
