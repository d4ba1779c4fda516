"""What every decoder gives: one radiograph in grey."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from pipeline.cohort.reading.tags import UNSAID, Tags
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
    tags: Tags = UNSAID
    """What a DICOM file says of its patient; of who it is, nothing is read."""
    is_lateral: bool = False
    """Whether a DICOM file says that it is no frontal view."""


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


_CHEST = np.array(
    [
        (-10, -9, -7, 1), (-3, -2, -2, 0), (-2, -2, -4, 0), (-2, -2, -3, 3),
        (-3, -2, 0, 5), (-4, 1, 4, 7), (-2, 5, 6, 8), (-1, 5, 6, 8),
    ]
)  # fmt: skip
"""Half a frontal chest from afar, in grey: the mean of the synthetic cohort."""

_PLAINLY = -0.25


def looks_inverted(pixels: UInt8[np.ndarray, "h w"]) -> bool:
    """Whether a frontal chest is plainly shown with air bright, as a negative.

    By the correlation with the mean of the synthetic cohort at 8 x 8 pixels. Of 392 radiographs of
    ChestX-ray14 all but one have .17 or more; that one, 00017999_000, has -.56, and is inverted.
    """
    seen = cv2.resize(pixels, (8, 8), interpolation=cv2.INTER_AREA).astype(np.float64)
    chest = np.hstack([_CHEST, _CHEST[:, ::-1]])
    return bool(np.corrcoef(seen.ravel(), chest.ravel())[0, 1] < _PLAINLY)
