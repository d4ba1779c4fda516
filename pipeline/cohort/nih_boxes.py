"""The radiologists' boxes of ChestX-ray14 (`BBox_List_2017.csv`)."""

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from pipeline.artifacts.cohort_source import TextFile
from pipeline.cohort.csv_text import numbers, read_columns, require
from pipeline.errors import CohortError
from pipeline.findings import canonical

COLUMNS = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")
"""The header `Image Index,Finding Label,Bbox [x,y,w,h],,,` is split by its own commas."""

_STRAY_SHARE = 0.1
"""Of the boxes: a few of NIH's touch the edge, but none goes far beyond it."""

_CORNERS = ["x1", "y1", "x2", "y2"]


@dataclass(frozen=True)
class BoxesUsed:
    """Boxes as fractions, and what became of the others."""

    table: pd.DataFrame
    """Schema BOXES: xyxy, half-open, fractions of the original width and height."""
    in_file: int
    clipped: int
    """Boxes that reached beyond their image and were cut to it."""
    dropped: dict[str, int]
    """Reason to number of boxes."""


def parse_boxes(file: TextFile | None) -> pd.DataFrame:
    """Boxes as drawn: image_index, finding, and xyxy in pixels of the original.

    No rows without a file. `Infiltrate`, the list's name for Infiltration, becomes it.

    Raises:
        CohortError: names the file, the row and what was expected.
    """
    if file is None:
        return pd.DataFrame(columns=["image_index", "finding", *_CORNERS])
    text = read_columns(file, COLUMNS)
    x, y, width, height = (
        numbers(text[column], file, "a number of pixels") for column in COLUMNS[2:]
    )
    require(width > 0, text["w"], file, "a width above 0")
    require(height > 0, text["h]"], file, "a height above 0")
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


def boxes_as_fractions(boxes: pd.DataFrame, index: pd.DataFrame, in_table: pd.Series) -> BoxesUsed:
    """Boxes of the images in `index`, as fractions of the size that each was decoded at.

    Args:
        boxes: what `parse_boxes` returned.
        index: the images used, with their original width and height.
        in_table: names of all images of the cohort's table, used or not.

    Raises:
        CohortError: many boxes reach beyond their images, as after shrinking the images alone.
    """
    used = boxes["image_index"].isin(index["image_index"])
    sizes = index.set_index("image_index")[["width", "height"]]
    table = boxes[used].join(sizes, on="image_index")
    fractions = table[_CORNERS].astype(float)
    fractions[["x1", "x2"]] = fractions[["x1", "x2"]].div(table["width"], axis=0)
    fractions[["y1", "y2"]] = fractions[["y1", "y2"]].div(table["height"], axis=0)
    _refuse_other_frame(fractions, table)
    inside = fractions.clip(0.0, 1.0)
    empty = (inside["x2"] <= inside["x1"]) | (inside["y2"] <= inside["y1"])
    reasons = Counter(
        {
            "image not used": int((~used & boxes["image_index"].isin(in_table)).sum()),
            "image not in the table": int((~boxes["image_index"].isin(in_table)).sum()),
            "outside its image": int(empty.sum()),
        }
    )
    kept = table[["image_index", "finding"]].join(inside)[~empty]
    return BoxesUsed(
        table=kept.sort_values(["image_index", "finding", *_CORNERS]).reset_index(drop=True),
        in_file=len(boxes),
        clipped=int(((inside != fractions).any(axis=1) & ~empty).sum()),
        dropped={reason: count for reason, count in reasons.items() if count},
    )


def _refuse_other_frame(fractions: pd.DataFrame, table: pd.DataFrame) -> None:
    stray = (fractions > 1.02).any(axis=1)
    if len(stray) < 10 or stray.mean() <= _STRAY_SHARE:
        return
    first = table[stray].iloc[0]
    raise CohortError(
        f"{stray.sum()} of {len(stray)} boxes reach beyond their images; first: "
        f"{first['image_index']} is {first['width']} x {first['height']} px, its box ends at "
        f"({first['x2']:.0f}, {first['y2']:.0f}). Boxes are read in pixels of the files given "
        "(NIH's: 1024 x 1024); were the images shrunk? Give the originals, or boxes shrunk alike"
    )
