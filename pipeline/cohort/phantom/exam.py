"""One image to be taken: of whom, how, and with what to be seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from numpy.random import Generator, default_rng


@dataclass(frozen=True)
class Exam:
    """One image to be taken."""

    image_index: str
    patient_id: int
    number: int
    """Counts the images of a patient from 0."""
    gender: Literal["M", "F"]
    age_years: int
    view_position: Literal["PA", "AP"]
    severities: Mapping[str, float]
    """Findings that are present, in (0, 1]."""
    boxed: tuple[str, ...] = ()
    """Findings around which a box is to be drawn."""


CHEST, SIDES, MARK, DARKROOM, COLOUR, PERSON = range(1, 7)
"""Parts of an image that draw from generators of their own."""


def part_rng(exam: Exam, seed: int, *part: int) -> Generator:
    """The generator of one part: one finding more or less leaves all other parts as they were."""
    # What a patient's images share is drawn as for the first of them.
    number = 0 if part == (PERSON,) else exam.number
    return default_rng([seed, exam.patient_id, number, *part])
