"""What `cxr score-boxes` reads, small enough to be checked by eye."""

import numpy as np
import pandas as pd
from made_results import made_index, write_labels

from pipeline.cohort.reading.cohort_source import read_text_file
from pipeline.cohort.reading.nih import parse_entries
from pipeline.results.given_boxes.given_cases import read_cases
from pipeline.results.given_boxes.given_frames import frame_told

HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"

A, B, C, D = "00000000_000.png", "00000001_000.png", "00000001_001.png", "00000002_000.png"

TRUE = [
    (A, "Mass", 256, 256, 512, 512),
    (B, "Mass", 0, 0, 512, 512),
    (B, "Mass", 512, 512, 512, 512),
    (C, "Infiltrate", 0, 0, 1024, 512),
    (D, "Nodule", 128, 128, 128, 128),
]
"""Four cases of three patients, in NIH's frame."""

DRAWN = [
    (A, "Mass", 256, 256, 512, 256),  # the upper half of the true box
    (B, "Mass", 512, 512, 256, 512),  # the left half of the second true box
    (C, "infiltration", 512, 0, 512, 1024),  # a third of the union; its centre is on the edge
]
"""Boxes by somebody, who has none of the nodule."""

IOU = {"Mass": 1 / 2, "Infiltration": 1 / 3, "Nodule": 0.0}
IOBB = {"Mass": 1.0, "Infiltration": 1 / 2, "Nodule": 0.0}
POINTING = {"Mass": 1.0, "Infiltration": 0.0, "Nodule": 0.0}
"""Of `DRAWN` on `TRUE`, by hand."""

FOUR = ["x", "y", "w", "h"]


def drawn(rows=DRAWN, names=("image", "finding", *FOUR)):
    return pd.DataFrame(rows, columns=list(names))


def write_list(rows, path):
    """As NIH writes it, with its header's commas."""
    lines = (",".join(map(str, row)) + ",,,\n" for row in rows)
    path.write_text(HEADER + "".join(lines))


def write_cohort(folder, *, index=None, true=TRUE):
    """labels.csv and true.csv."""
    write_labels(made_index(3, 2) if index is None else index, folder / "labels.csv")
    write_list(true, folder / "true.csv")


def cohort(folder, *, size="1024"):
    """The cases and the images of `write_cohort`."""
    return given_cases(folder, size=size).cases, images_of(folder)


def given_cases(folder, *, size="1024"):
    """The same cases, and what is said of them."""
    frame = frame_told(size, "--boxes-size")
    return read_cases(folder / "true.csv", images_of(folder), frame)


def images_of(folder):
    return parse_entries(read_text_file(folder / "labels.csv")).table


def as_rows(boxes, side=1024):
    """Rows of NIH's list from boxes as fractions."""
    four = boxes[["x1", "y1", "x2", "y2"]].to_numpy() * side
    sizes = np.hstack([four[:, :2], four[:, 2:] - four[:, :2]])
    names = boxes[["image_index", "finding"]].to_numpy()
    return [(*name, *map(float, one)) for name, one in zip(names, sizes, strict=True)]
