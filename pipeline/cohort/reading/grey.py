"""What every decoder gives: one radiograph in grey."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8


@dataclass(frozen=True)
class GreyImage:
    """The grey values of a radiograph's file, and how they were stored."""

    pixels: UInt8[np.ndarray, "h w"]
    colour_type: str
    """PNG's and JPEG's colour type, or DICOM's photometric interpretation, in words."""
