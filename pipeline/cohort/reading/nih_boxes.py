"""The radiologists' boxes of ChestX-ray14 (`BBox_List_2017.csv`)."""

import logging
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from pipeline.base.findings import canonical
from pipeline.cohort.reading.box_frame import AUTO, FILE, find_frame
from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.cohort.reading.csv_text import Column, numbers, read_columns, require
from pipeline.cohort.reading.image_files import image_key
from pipeline.cohort.reading.nih import Entries

COLUMNS = (
    Column("Image Index", ("Image", "Image ID", "Filename")),
    Column("Finding Label", ("Finding Labels", "Finding", "Label")),
    Column("x", ("Bbox [x", "Bbox x")),
    Column("y", ("Bbox y",)),
    Column("w", ("Width", "Bbox w")),
    Column("h", ("h]", "Height", "Bbox h")),
)
"""The header `Image Index,Finding Label,Bbox [x,y,w,h],,,` is split by its own commas."""

log = logging.getLogger(__name__)

_CORNERS = ["x1", "y1", "x2", "y2"]


@dataclass(frozen=True)
class BoxesUsed:
    """Boxes as fractions, and what became of the others."""

    table: pd.DataFrame
    """Schema BOXES: xyxy, half-open, fractions of the image's width and height."""
    in_file: int
    drawn_in: str | None
    """The frame of the list, in words; None without boxes on the images used."""
    clipped: int
    """Boxes that reached beyond their image and were cut to it."""
    dropped: dict[str, int]
    """Reason to number of boxes."""


def parse_boxes(file: TextFile | None) -> pd.DataFrame:
    """Boxes as drawn: image_index, finding, and xyxy in the frame of the list.

    No rows without a file. `Infiltrate`, the list's name for Infiltration, becomes it.

    Raises:
        CohortError: names the file, the row and what was expected.
    """
    if file is None:
        return pd.DataFrame(columns=["image_index", "finding", *_CORNERS])
    text = read_columns(file, COLUMNS)
    x, y, width, height = (
        numbers(text[column.name], file, "a number of pixels") for column in COLUMNS[2:]
    )
    require(width > 0, text["w"], file, "a width above 0")
    require(height > 0, text["h"], file, "a height above 0")
    labels = text["Finding Label"]
    known = {label: _finding(label) for label in labels.unique()}
    require(labels.map(known).notna(), labels, file, "one of the 14 findings or Infiltrate")
    corners = {"x1": x, "y1": y, "x2": x + width, "y2": y + height}
    names = {"image_index": text["Image Index"], "finding": labels.map(known)}
    return pd.DataFrame({**names, **corners})


def _finding(label: str) -> str | None:
    try:
        return canonical(label)
    except ValueError:
        return None


def boxes_as_fractions(
    boxes: pd.DataFrame, index: pd.DataFrame, entries: Entries, told: str | int
) -> BoxesUsed:
    """Boxes of the images in `index`, as fractions of their width and height.

    Args:
        boxes: what `parse_boxes` returned.
        index: the images used, with the width and height of their files.
        entries: all images of the cohort's table, used or not.
        told: `ingest.box_frame`.

    Raises:
        CohortError: the frame that the boxes are drawn in is unclear, or not the one told.
    """
    spelt = {image_key(name): name for name in entries.table["image_index"]}
    names = [spelt.get(image_key(name), name) for name in boxes["image_index"]]
    boxes = boxes.assign(image_index=names)
    used = boxes["image_index"].isin(index["image_index"])
    known = boxes["image_index"].isin(entries.table["image_index"])
    frame = find_frame(boxes, index, entries.originals, told)
    fractions = boxes.loc[used, _CORNERS].astype(float)
    for side, corners in (("width", ["x1", "x2"]), ("height", ["y1", "y2"])):
        fractions[corners] = fractions[corners].div(frame.sides.loc[used, side], axis=0)
    inside = fractions.clip(0.0, 1.0)
    empty = (inside["x2"] <= inside["x1"]) | (inside["y2"] <= inside["y1"])
    reasons = Counter(
        {
            "image not used": int((~used & known).sum()),
            "image not in the table": int((~known).sum()),
            "outside its image": int(empty.sum()),
        }
    )
    kept = boxes.loc[used, ["image_index", "finding"]].join(inside)[~empty]
    result = BoxesUsed(
        table=kept.sort_values(["image_index", "finding", *_CORNERS]).reset_index(drop=True),
        in_file=len(boxes),
        drawn_in=frame.meaning if used.any() else None,
        clipped=int(((inside != fractions).any(axis=1) & ~empty).sum()),
        dropped={reason: count for reason, count in reasons.items() if count},
    )
    _say(result, told, is_plain=frame.name == FILE)
    return result


def _say(boxes: BoxesUsed, told: str | int, *, is_plain: bool) -> None:
    if not boxes.in_file:
        return
    by = "found by how far they reach" if told == AUTO else "as ingest.box_frame says"
    drawn = f"drawn in {boxes.drawn_in} ({by})" if boxes.drawn_in else "none of an image used"
    left = [f"{count:,} dropped ({reason})" for reason, count in boxes.dropped.items()]
    clipped = [f"{boxes.clipped:,} cut at the edge of their image"] if boxes.clipped else []
    is_usual = is_plain and not boxes.dropped.keys() - {"image not used"}
    log.log(
        logging.INFO if is_usual else logging.WARNING,
        "boxes: %s of %s used, %s", f"{len(boxes.table):,}", f"{boxes.in_file:,}",
        ", ".join([drawn, *left, *clipped]),
    )  # fmt: skip
