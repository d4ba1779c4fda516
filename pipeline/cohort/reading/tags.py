"""What a radiograph's table or file says of its patient, one value at a time."""

import re
from dataclasses import dataclass
from typing import Literal

Gender = Literal["M", "F"]
View = Literal["PA", "AP"]

OLDEST_YEARS = 120
"""Ages above it are typing errors; the releases of ChestX-ray14 hold ages up to 414."""

_AGE = re.compile(r"(\d{1,6})(?:\.0*)?([YMWD]?)")
_YEARS_PER = {"Y": 1, "": 1, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
_FRONTAL: dict[View, re.Pattern[str]] = {
    "PA": re.compile(r"PA|P(OSTERO)?A(NT|$)"),
    "AP": re.compile(r"AP|A(NTERO)?P(OST|$)"),
}
"""How the name of a view begins, without what is no letter: PA ERECT, AP_PORTABLE."""


@dataclass(frozen=True)
class Tags:
    """What is said of one radiograph's patient; None where nothing is."""

    age: float | None = None
    """Years."""
    gender: Gender | None = None
    view: View | None = None


UNSAID = Tags()


def age_in_years(text: str) -> float | None:
    """Of 58, 058Y, 011M, 004W or 001D; None of anything else."""
    found = _AGE.fullmatch(text.upper())
    return None if found is None else float(found[1]) * _YEARS_PER[found[2]]


def gender_of(text: str) -> Gender | None:
    """Of M, F, male or female in any case; None of anything else."""
    genders: dict[str, Gender] = {"M": "M", "MALE": "M", "F": "F", "FEMALE": "F"}
    return genders.get(text.strip().upper())


def frontal_view(text: str) -> View | None:
    """Of PA, AP and how both are written out; None of anything else, as of a lateral view."""
    letters = re.sub(r"[^A-Z]", "", text.upper())
    return next((view for view, begins in _FRONTAL.items() if begins.match(letters)), None)
