"""In which frame a list of boxes is drawn: decided by how far its boxes reach, or told."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline.errors import CohortError

log = logging.getLogger(__name__)

AUTO, FILE, FRACTIONS, ORIGINAL = "auto", "file", "fractions", "original"

OFFICIAL_PX = 1024
"""Side of the images that NIH's list is drawn on; the furthest of its 984 boxes ends at 1,022."""

_BEYOND = 1.02
"""Shares of a side up to which a box still ends at the edge."""

_STRAYS_FOUND, _STRAYS_TOLD = 0.01, 0.1
"""Largest share of boxes beyond the edge of a frame that was found, and of one that was told.
None of NIH's is; a frame that is too small by a tenth has far more."""

_LEAST_REACH = (
    (500, 0.945), (200, 0.92), (100, 0.89), (50, 0.86), (20, 0.8), (10, 0.7),
    (7, 0.65), (5, 0.55), (3, 0.4), (2, 0.35), (1, 0.25),
)  # fmt: skip
"""Number of boxes, and how far the furthest of so many reaches at least, as a share of the side.

Of as many of NIH's 984 boxes, drawn at random, the furthest falls short of it less than once in
10,000 times (a test counts).
"""


@dataclass(frozen=True)
class BoxFrame:
    """The frame of a list of boxes."""

    name: str
    """`file`, `fractions`, `original`, or a number of pixels."""
    sides: pd.DataFrame
    """Width and height of the frame for each box, as its rows; NaN where they are not known."""

    @property
    def meaning(self) -> str:
        """In words."""
        return _MEANINGS.get(self.name, f"pixels of {self.name} x {self.name} px")


_MEANINGS = {
    FILE: "pixels of the image files",
    FRACTIONS: "fractions of the image",
    ORIGINAL: "pixels of the originals, whose size the table gives",
}


def find_frame(
    boxes: pd.DataFrame, files: pd.DataFrame, originals: pd.DataFrame, told: str | int
) -> BoxFrame:
    """The frame of all boxes of one list.

    Fractions, the files' own pixels, and NIH's 1024 x 1024 pixels are told apart by how far the
    boxes reach: not beyond the frame, and nearly to its edge if they are many. A frame of pixels
    is scaled to the files, which must be square then, shrunk or enlarged as a whole.

    Args:
        boxes: what `parse_boxes` returned; those of images that are not used count as well.
        files: image_index, width and height of the files used.
        originals: the same of the images before NIH resized them, by the table.
        told: `auto`, or what `BoxFrame.name` may be (`ingest.box_frame`).

    Raises:
        CohortError: no frame or several fit the boxes, or the one told does not.
    """
    names = [FRACTIONS, FILE, str(OFFICIAL_PX)] if told == AUTO else [str(told)]
    frames = {name: _frame(name, boxes, files, originals) for name in (*names, ORIGINAL)}
    boxed = files[files["image_index"].isin(boxes["image_index"])]
    if boxed.empty:
        return frames[FILE if told == AUTO else str(told)]
    if told != AUTO:
        _expect_told(frames[str(told)], boxes, boxed)
        return _scalable(frames[str(told)], boxed)
    used = boxes["image_index"].isin(boxed["image_index"])
    fitting = _distinct([frames[name] for name in names if _fits(boxes, frames[name])], used)
    if len(fitting) != 1:
        raise CohortError(_unclear(boxes, boxed, fitting, frames))
    return _scalable(fitting[0], boxed)


def _frame(
    name: str, boxes: pd.DataFrame, files: pd.DataFrame, originals: pd.DataFrame
) -> BoxFrame:
    """The frame of this name, whether or not the boxes fit into it."""
    if name == FILE:
        sides = _sides_of(boxes, files).fillna(_common_side(files))
    elif name == ORIGINAL:
        sides = _sides_of(boxes, originals)
    else:
        side = 1.0 if name == FRACTIONS else float(name)
        sides = pd.DataFrame({"width": side, "height": side}, index=boxes.index)
    return BoxFrame(name, sides)


def _sides_of(boxes: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    by_name = sizes.set_index("image_index")[["width", "height"]].astype(float)
    return by_name.reindex(boxes["image_index"]).set_axis(boxes.index)


def _common_side(files: pd.DataFrame) -> dict[str, float]:
    """The size of files that are not here, if all that are here have one size."""
    first = files.iloc[0]
    same = files["width"].eq(first["width"]).all() and files["height"].eq(first["height"]).all()
    return {side: float(first[side]) if same else np.nan for side in ("width", "height")}


def _reach(boxes: pd.DataFrame, frame: BoxFrame) -> Float[np.ndarray, " n"]:
    """How far each box reaches to the right or down, as a share of its frame's side."""
    ends = boxes[["x2", "y2"]].to_numpy(float) / frame.sides[["width", "height"]].to_numpy(float)
    reach = np.asarray(ends.max(axis=1), np.float64)
    return reach[~np.isnan(reach)]


def _fits(boxes: pd.DataFrame, frame: BoxFrame) -> bool:
    reach = _reach(boxes, frame)
    inside = reach[reach <= _BEYOND]
    is_held = len(reach) > 0 and len(reach) - len(inside) <= _STRAYS_FOUND * len(reach)
    return is_held and bool(inside.max() >= least_reach(len(inside)))


def least_reach(boxes: int) -> float:
    """How far the furthest of so many boxes reaches at least, as a share of the side."""
    return next((reach for number, reach in _LEAST_REACH if boxes >= number), 0.0)


def _distinct(frames: list[BoxFrame], used: pd.Series) -> list[BoxFrame]:
    """Without those that give the boxes that are used the same places."""
    kept: list[BoxFrame] = []
    for frame in frames:
        sides = frame.sides[used]
        if not any(np.allclose(sides, one.sides[used], equal_nan=True) for one in kept):
            kept.append(frame)
    return kept


def _scalable(frame: BoxFrame, files: pd.DataFrame) -> BoxFrame:
    """The frame, unless it is of square images and the files were not made of such."""
    if frame.name in _MEANINGS or files["width"].eq(files["height"]).all():
        return frame
    raise CohortError(
        f"boxes in {frame.meaning} cannot be scaled to files that are not square "
        f"({_sizes(files)}); give square files, or boxes as fractions or in pixels of the files"
    )


def _expect_told(frame: BoxFrame, boxes: pd.DataFrame, files: pd.DataFrame) -> None:
    """Refuse the frame that was told if boxes are plainly not drawn in it, or it is unknown."""
    drawn = boxes["image_index"].isin(files["image_index"])
    unknown = drawn & frame.sides.isna().any(axis=1)
    if unknown.any():
        raise CohortError(
            f"ingest.box_frame: {frame.name}: the table does not say how large the originals of "
            f"{unknown.sum():,} boxes are, first: {boxes.loc[unknown, 'image_index'].iloc[0]}"
        )
    reach = _reach(boxes, frame)
    strays = int((reach > _BEYOND).sum())
    if strays > max(2, _STRAYS_TOLD * len(reach)):
        raise CohortError(
            f"ingest.box_frame: {frame.name}: {strays:,} of {len(reach):,} boxes reach beyond "
            f"{frame.meaning}; {_extent(boxes)}, the files are {_sizes(files)}"
        )
    if reach.max() < least_reach(len(reach)):
        log.warning(
            "ingest.box_frame: %s: all %s boxes end at %.2f of their image's side or before, as "
            "if they were drawn in a smaller frame",
            frame.name, f"{len(reach):,}", reach.max(),
        )  # fmt: skip


def _unclear(
    boxes: pd.DataFrame,
    files: pd.DataFrame,
    fitting: list[BoxFrame],
    frames: Mapping[str, BoxFrame],
) -> str:
    if fitting:
        found = f"may be {' or '.join(frame.meaning for frame in fitting)}"
    elif _fits(boxes, frames[ORIGINAL]):
        found = f"seem to be {frames[ORIGINAL].meaning}, which is not taken without being told"
    else:
        found = (
            "are neither fractions, nor pixels of these files, nor of NIH's "
            f"{OFFICIAL_PX} x {OFFICIAL_PX} px"
        )
    return (
        f"the {len(boxes):,} boxes {found}: {_extent(boxes)}, the files are {_sizes(files)}; say "
        "which with ingest.box_frame: file, fractions, original, or the side in pixels of the "
        "square images that the boxes were drawn on"
    )


def _extent(boxes: pd.DataFrame) -> str:
    return f"they reach to x = {boxes['x2'].max():.6g} and y = {boxes['y2'].max():.6g}"


def _sizes(files: pd.DataFrame) -> str:
    sizes = files[["width", "height"]].drop_duplicates()
    first = f"{sizes['width'].iloc[0]} x {sizes['height'].iloc[0]} px"
    return first if len(sizes) == 1 else f"{first} and {len(sizes) - 1:,} other sizes"
