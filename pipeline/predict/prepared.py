"""A radiograph at the size that networks are shown, which threads may see to."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from pipeline.cohort.reading.grey import looks_inverted
from pipeline.cohort.reading.images import expect_varied, resize_square
from pipeline.cohort.reading.tags import Tags
from pipeline.predict.radiograph import Radiograph

INVERTED = "looks inverted: air is bright"


@dataclass(frozen=True)
class Prepared:
    """A radiograph as `ingest` caches it, and what its pixels say against it."""

    image: UInt8[np.ndarray, "s s"]
    patient: Tags
    doubts: tuple[str, ...]
    warnings: tuple[str, ...]


def prepare(one: Radiograph, side: int) -> Prepared:
    """Resize to `side` pixels, whatever the aspect ratio.

    Raises:
        CohortError: pixels of one grey value, or of a size that no radiograph has.
    """
    expect_varied(one.pixels)
    height, width = one.pixels.shape
    image = resize_square(one.pixels, side)
    shown = as_prepared(image, one.patient, height=height, width=width)
    return replace(shown, doubts=one.doubts, warnings=(*one.warnings, *shown.warnings))


def as_prepared(
    image: UInt8[np.ndarray, "s s"], patient: Tags, *, height: int, width: int
) -> Prepared:
    """A radiograph that has its size already.

    Args:
        image: resized.
        patient: what is known beside it.
        height: that it had before, in pixels.
        width: likewise.
    """
    side = len(image)
    tiny = f"{width} x {height} pixels, too few for what the model has learnt at {side} x {side}"
    found = {INVERTED: looks_inverted(image), tiny: 2 * min(height, width) < side}
    said = tuple(text for text, holds in found.items() if holds)
    return Prepared(image, patient, (), said)
