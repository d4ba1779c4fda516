"""One image as a file: PNG bytes and the boxes that go with it."""

import cv2
import numpy as np
from jaxtyping import Float32

from pipeline.cohort.phantom.exam import COLOUR, Exam, part_rng
from pipeline.cohort.phantom.layout import CohortImage, PixelBox
from pipeline.cohort.phantom.render import develop, expose

RGBA_SHARE = 0.01
"""Share of the images stored with three equal colours and an opaque alpha channel."""

_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 2]  # noise hardly compresses, whatever the effort


def take_picture(exam: Exam, *, seed: int, size_px: int) -> CohortImage:
    """Draw, develop and encode one image; depends on its arguments only."""
    film = expose(exam, seed=seed, size_px=size_px)
    picture = develop(film, exam, seed=seed)
    if part_rng(exam, seed, COLOUR).uniform() < RGBA_SHARE:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGRA)
    png = cv2.imencode(".png", picture, _PNG)[1].tobytes()
    boxes = {finding: region_box(film.region(finding)) for finding in exam.boxed}
    return CohortImage(exam.image_index, png, boxes)


def region_box(region: Float32[np.ndarray, "h w"]) -> PixelBox:
    """The box of the largest connected part that is over half the region's peak."""
    mask = (region > 0.5 * region.max()).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    x, y, w, h, _ = stats[1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])]
    return PixelBox(float(x), float(y), float(w), float(h))
