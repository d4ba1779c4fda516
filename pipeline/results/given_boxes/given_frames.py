"""The frame that boxes in a file are drawn in: pixels of a square, or fractions of the image."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.cohort.reading.box_frame import OFFICIAL_PX, least_reach
from pipeline.errors import ArtifactError, PipelineError
from pipeline.results.localisation.boxed_findings import CORNERS

FRACTIONS = "fractions"

NIH_FRAME = str(OFFICIAL_PX)
"""The pixels of NIH's images, in which its list of boxes is drawn."""

_BEYOND = 0.02
"""Of the side: how far beyond the edge a box may reach by rounding; such a box is cut there."""


@dataclass(frozen=True)
class Frame:
    """A frame that was told."""

    side: float
    """Pixels of the square; 1 for fractions."""
    option: str
    """Of the command, that tells it."""

    @property
    def meaning(self) -> str:
        """In words."""
        if self.side == 1:
            return "fractions of the image"
        return f"pixels of {self.side:g} x {self.side:g}"


def frame_told(told: str, option: str) -> Frame:
    """The frame of `512`, the side of a square in pixels, or of `fractions`.

    Raises:
        PipelineError: it is neither.
    """
    if told.strip().casefold() == FRACTIONS:
        return Frame(1.0, option)
    try:
        side = float(told)
    except ValueError:
        side = np.nan
    if not 1 <= side < np.inf:
        raise PipelineError(
            f"{option} {told}: expected the side in pixels of the square images that the boxes "
            f"are drawn on, such as {NIH_FRAME}, or {FRACTIONS}"
        )
    return Frame(side, option)


class Scaled(NamedTuple):
    """Boxes as fractions of the image."""

    boxes: pd.DataFrame
    """As given, with corners in [0, 1]."""
    notes: list[str]
    """What a person should know of them."""


def as_fractions(boxes: pd.DataFrame, frame: Frame, path: object) -> Scaled:
    """Boxes in a frame as fractions of the image.

    Args:
        boxes: image_index and corners, by number of row.
        frame: that they are said to be drawn in.
        path: of the file, for messages.

    Raises:
        ArtifactError: boxes reach beyond the frame, or are fractions in a frame of pixels.
    """
    corners = boxes[CORNERS].astype(float)
    fractions = corners / frame.side
    _refuse_fractions(corners, frame, path)
    _refuse_beyond(boxes, fractions, frame, path)
    inside = fractions.clip(0.0, 1.0)
    cut = int((inside != fractions).any(axis=1).sum())
    notes = [f"{cut:,} cut at the edge of the image"] if cut else []
    reach = inside[["x2", "y2"]].to_numpy().max()
    if reach < least_reach(len(boxes)):
        notes.append(
            f"all of them end at {reach:.2f} of the image's side or before: if their frame is a "
            f"smaller one, {frame.option} says so"
        )
    return Scaled(boxes.assign(**{name: inside[name] for name in CORNERS}), notes)


def _refuse_fractions(corners: pd.DataFrame, frame: Frame, path: object) -> None:
    if frame.side > 2 and (corners.abs() <= 1 + _BEYOND).all(axis=None):
        raise ArtifactError(
            f"{path}: all {len(corners):,} boxes lie between 0 and 1, which is a single one of "
            f"the {frame.meaning}; of fractions say {frame.option} {FRACTIONS}"
        )


def _refuse_beyond(
    boxes: pd.DataFrame, fractions: pd.DataFrame, frame: Frame, path: object
) -> None:
    starts, ends = fractions[["x1", "y1"]], fractions[["x2", "y2"]]
    is_beyond = (starts < -_BEYOND) | (starts >= 1)
    beyond = is_beyond.any(axis=1) | ((ends > 1 + _BEYOND) | (ends <= 0)).any(axis=1)
    if not beyond.any():
        return
    row = boxes.index[beyond][0]
    one = boxes.loc[row]
    raise ArtifactError(
        f"{path}: {beyond.sum():,} of {len(boxes):,} boxes reach beyond {frame.meaning}; first: "
        f"row {row} ({one['image_index']}), from x = {one['x1']:.6g}, y = {one['y1']:.6g} to "
        f"x = {one['x2']:.6g}, y = {one['y2']:.6g}; they are probably drawn in another frame: "
        f"{frame.option} says which"
    )
