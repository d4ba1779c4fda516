"""Anybody's boxes: csv or parquet with a row for each box."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline.attention.boxes import fills_image
from pipeline.base.findings import FINDINGS, canonical
from pipeline.base.grid import Grid
from pipeline.base.listing import listed
from pipeline.errors import ArtifactError
from pipeline.params.faults import nearest
from pipeline.results.evaluation.files.given_tables import file_names, read_given_table
from pipeline.results.given_boxes.box_columns import FORMS, BoxColumns, find_box_columns
from pipeline.results.given_boxes.given_cases import as_labelled, expect_labelled
from pipeline.results.given_boxes.given_frames import Frame, as_fractions
from pipeline.results.localisation.boxed_findings import CORNERS, Case
from pipeline.results.localisation.overlap import Detection, without_map

MISS = Detection(None, None, empty=True)
"""Of a case of which a file says nothing."""

_CASE = ["image_index", "finding"]


class Detected(NamedTuple):
    """What a file says of every case."""

    detections: list[Detection]
    """One for each case; of a case of which the file says nothing a miss."""
    read: list[str]
    """What was read, in words."""
    method: str
    """In tables, beside the file's name."""
    shape: tuple[int, int] | None = None
    """Of the maps, where there are any."""
    grid: Grid | None = None
    """Where their cells look, where that is told."""


def detect_in_box_file(
    path: Path, cases: Sequence[Case], images: pd.DataFrame, frame: Frame
) -> Detected:
    """The box of each case, from a csv or parquet file with a row for each box.

    Of several boxes of a case one counts: that of the highest score, or the first where the file
    has no scores. The best matching one would be chosen by the truth.

    Args:
        path: columns of image, finding and box; `find_box_columns` says which.
        cases: that are judged.
        images: all that there are: image_index.
        frame: that the boxes are drawn in.

    Raises:
        ArtifactError: the file is no such table, a row is no box of a finding on one of the
            images, the boxes are in another frame, or none is of a case.
    """
    table = read_given_table(path, rows="box")
    columns = find_box_columns(list(map(str, table.columns)), path)
    boxes = _boxes(table, columns, images, path)
    scaled = as_fractions(boxes, frame, path)
    first = _first_of_case(scaled.boxes, is_scored=columns.score is not None)
    detections = [_detection(first.get((case.image_index, case.finding))) for case in cases]
    others = [name for name in table.columns if str(name) not in _read_names(columns)]
    told = [
        f"{path.name}: {len(boxes):,} boxes, in {frame.meaning}",
        f"{columns.form} by {', '.join(map(repr, columns.four))}",
        f"images by {columns.image!r}, findings by {columns.finding!r}",
        *([f"not read: {listed(map(repr, others))}"] if others else []),
        *scaled.notes,
    ]
    judged = _judged(boxes, cases, columns, path)
    missed = [case for case, one in zip(cases, detections, strict=True) if one.box is None]
    missing = misses(missed, total=len(cases), what="box")
    return Detected(detections, ["; ".join(told), judged, missing], "boxes")


def misses(missed: Sequence[Case], *, total: int, what: str) -> str:
    """How many of all cases have no box or map at all, and of which findings, in words."""
    said = f"  {len(missed):,} of {total:,} cases have no {what}"
    counts = Counter(case.finding for case in missed)
    named = ", ".join(f"{name} {counts[name]:,}" for name in FINDINGS if name in counts)
    return f"{said} and count as misses: {named}" if missed else said


def expect_finding(name: object, place: str) -> str:
    """The finding that is meant.

    Raises:
        ArtifactError: there is none of that name; says which may be meant.
    """
    try:
        return canonical(str(name))
    except ValueError:
        raise ArtifactError(
            f"{place}: unknown finding {str(name)!r}; {nearest(str(name), FINDINGS)}"
        ) from None


def _boxes(
    table: pd.DataFrame, columns: BoxColumns, images: pd.DataFrame, path: Path
) -> pd.DataFrame:
    """image_index, finding, corners in the file's frame and score, by number of row."""
    names = file_names(table[columns.image])
    names = pd.Series(as_labelled(names, images), index=table.index)
    expect_labelled(names, images, path, of="row")
    rows = table[columns.finding].drop_duplicates()
    meant = {
        label: expect_finding(label, f"{path}, row {row}, column {columns.finding}")
        for row, label in rows.items()
    }
    four = [_numbers(table[column], names, path) for column in columns.four]
    corners = FORMS[columns.form].corners(np.stack(four, axis=1))
    boxes = pd.DataFrame(corners, columns=CORNERS, index=table.index)
    boxes.insert(0, "image_index", names)
    boxes.insert(1, "finding", table[columns.finding].map(meant))
    _expect_sizes(boxes, columns, path)
    scores = np.nan if columns.score is None else _numbers(table[columns.score], names, path)
    return boxes.assign(score=scores)


def _numbers(values: pd.Series, names: pd.Series, path: Path) -> Float[np.ndarray, " n"]:
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        row = values.index[wrong][0]
        raise ArtifactError(
            f"{path}, row {row} ({names[row]}), column {values.name}: {values[row]} is no number"
            + (f", nor are {wrong.sum() - 1:,} others of the column" if wrong.sum() > 1 else "")
            + "; a case without a box has no row"
        )
    return np.asarray(numbers)


def _expect_sizes(boxes: pd.DataFrame, columns: BoxColumns, path: Path) -> None:
    width, height = boxes["x2"] - boxes["x1"], boxes["y2"] - boxes["y1"]
    wrong = (width <= 0) | (height <= 0)
    if wrong.any():
        row = boxes.index[wrong][0]
        raise ArtifactError(
            f"{path}, row {row} ({boxes['image_index'][row]}): a box {width[row]:.6g} wide and "
            f"{height[row]:.6g} high, expected both above 0"
            + (f"; {wrong.sum() - 1:,} others are so, too" if wrong.sum() > 1 else "")
            + f"; read as {columns.form} by {', '.join(map(repr, columns.four))}"
        )


def _first_of_case(
    boxes: pd.DataFrame, *, is_scored: bool
) -> dict[tuple[str, str], Float[np.ndarray, "4"]]:
    """The box that counts, by image and finding; of equal scores the first in the file."""
    if is_scored:
        boxes = boxes.sort_values("score", ascending=False, kind="stable")
    first = boxes.drop_duplicates(_CASE)
    keys = zip(first["image_index"], first["finding"], strict=True)
    return dict(zip(keys, first[CORNERS].to_numpy(np.float64), strict=True))


def _detection(box: Float[np.ndarray, "4"] | None) -> Detection:
    return MISS if box is None else without_map(box, empty=fills_image(box))


def _judged(boxes: pd.DataFrame, cases: Sequence[Case], columns: BoxColumns, path: Path) -> str:
    """How many boxes are of cases, and which of several counts, in words."""
    wanted = pd.MultiIndex.from_tuples([(case.image_index, case.finding) for case in cases])
    here = boxes[pd.MultiIndex.from_frame(boxes[_CASE]).isin(wanted)]
    if here.empty:
        raise ArtifactError(
            f"{path}: none of its {len(boxes):,} boxes is of a finding that radiologists boxed on "
            f"that image; first: {boxes['finding'].iloc[0]} on {boxes['image_index'].iloc[0]}, "
            f"where cases are such as {cases[0].finding} on {cases[0].image_index}"
        )
    several = here[here.duplicated(_CASE, keep=False)]
    number = several[_CASE].drop_duplicates().shape[0]
    which = "first in the file" if columns.score is None else f"one of highest {columns.score!r}"
    said = f"  {len(here):,} of its boxes are of cases, {len(boxes) - len(here):,} are not judged"
    return f"{said}; of {number:,} cases with several the {which} counts" if number else said


def _read_names(columns: BoxColumns) -> set[str | None]:
    return {columns.image, columns.finding, columns.score, *columns.four}
