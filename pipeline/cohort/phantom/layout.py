"""A cohort on disk in the layout of NIH ChestX-ray14, its quirks included."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pipeline.base.files import replacing, write_json
from pipeline.base.findings import FINDINGS, NO_FINDING

ENTRIES_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
"""Eleven columns: the commas of the last two names split them."""

BOXES_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
"""Six values a row; the header's own commas make nine columns of it."""

_BOX_NAMES = {"Infiltration": "Infiltrate"}
# The box list says Infiltrate.


class PixelBox(NamedTuple):
    """A box in pixels of the PNG, from its top left corner."""

    x: float
    y: float
    w: float
    h: float


class CohortImage(NamedTuple):
    """One image file."""

    image_index: str
    png: bytes
    boxes: dict[str, PixelBox]
    """By finding."""


def write_cohort(
    folder: Path,
    images: Iterable[CohortImage],
    entries: pd.DataFrame,
    train_val: Sequence[str],
    test: Sequence[str],
    ceiling: dict[str, Any],
) -> None:
    """Write images and tables; the folder appears when all of it is written.

    Args:
        folder: Where `images/`, the two csv files, the two lists and `ceiling.json` go.
        images: PNGs and their boxes, written one at a time.
        entries: One row per image in the file's order: image_index, follow_up, patient_id,
            age_years, gender, view_position, width, height (of the detector), spacing_mm and 14
            bool columns named as `FINDINGS`.
        train_val: Image names of the official training and validation list.
        test: Image names of the official test list.
        ceiling: What the labels allow to reach.
    """
    with replacing(folder) as fresh:
        (fresh / "images").mkdir(parents=True)
        boxes: list[str] = []
        for image in images:
            (fresh / "images" / image.image_index).write_bytes(image.png)
            boxes += _boxes(image)
        _write_lines(fresh / "Data_Entry_2017_v2020.csv", [ENTRIES_HEADER, *_entries(entries)])
        _write_lines(fresh / "BBox_List_2017.csv", [BOXES_HEADER, *boxes])
        # The official lists end without a newline.
        (fresh / "train_val_list.txt").write_bytes("\n".join(train_val).encode())
        (fresh / "test_list.txt").write_bytes("\n".join(test).encode())
        write_json(ceiling, fresh / "ceiling.json")


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def _entries(entries: pd.DataFrame) -> list[str]:
    return [
        "{image_index},{labels},{follow_up},{patient_id},{age_years},{gender},{view_position},"
        "{width},{height},{spacing_mm!r},{spacing_mm!r}".format_map(row | {"labels": _labels(row)})
        for row in entries.to_dict("records")
    ]


def _labels(row: dict[Any, Any]) -> str:
    return "|".join(finding for finding in sorted(FINDINGS) if row[finding]) or NO_FINDING


def _boxes(image: CohortImage) -> list[str]:
    return [
        f"{image.image_index},{_BOX_NAMES.get(finding, finding)},{x!r},{y!r},{w!r},{h!r}"
        for finding, (x, y, w, h) in image.boxes.items()
    ]
