"""What every decoder gives: one radiograph in grey."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from pipeline.errors import CohortError

LEAST_SIDE_PX = 16
MOST_PIXELS = 2**27


@dataclass(frozen=True)
class GreyImage:
    """The grey values of a radiograph's file, and how they were stored."""

    pixels: UInt8[np.ndarray, "h w"]
    colour_type: str
    """PNG's and JPEG's colour type, or DICOM's photometric interpretation, in words."""
    doubt: str | None = None
    """What the file leaves open, to be said once of all such images: "converted pictures, ..."."""


def expect_size(width: int, height: int) -> None:
    """Refuse what its header says is no radiograph by its size, before memory is taken for it.

    Raises:
        CohortError: a side is shorter than `LEAST_SIDE_PX`, or there are more than `MOST_PIXELS`.
    """
    size = f"a picture of {width:,} x {height:,} pixels"
    if min(width, height) < LEAST_SIDE_PX:
        raise CohortError(f"{size}; expected a radiograph, {LEAST_SIDE_PX} or more a side")
    if width * height > MOST_PIXELS:
        raise CohortError(f"{size}; of a radiograph at most {MOST_PIXELS:,} are expected")
