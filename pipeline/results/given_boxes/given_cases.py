"""The cases that boxes are judged on: the radiologists' list, and whose images those are."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline.cohort.reading.cohort_source import read_text_file
from pipeline.cohort.reading.image_files import image_key
from pipeline.cohort.reading.nih_boxes import parse_boxes
from pipeline.errors import ArtifactError
from pipeline.results.given_boxes.given_frames import Frame, as_fractions
from pipeline.results.localisation.boxed_findings import CORNERS, Case, boxed_cases


class GivenCases(NamedTuple):
    """Cases, and what was taken for them."""

    cases: list[Case]
    read: list[str]
    """What was read, in words."""


def read_cases(path: Path, images: pd.DataFrame, frame: Frame) -> GivenCases:
    """The boxed findings of these images, from a list such as NIH's `BBox_List_2017.csv`.

    Args:
        path: csv, as NIH writes it.
        images: image_index and patient_id.
        frame: that the list is drawn in.

    Raises:
        CohortError: the file is missing, or no such list; says where.
        ArtifactError: its boxes are in another frame, or none is on one of the images.
    """
    listed = parse_boxes(read_text_file(path))
    scaled = as_fractions(listed, frame, path)
    boxes = scaled.boxes.assign(image_index=as_labelled(listed["image_index"], images))
    here = boxes["image_index"].isin(images["image_index"])
    if not here.any():
        raise ArtifactError(
            f"{path}: none of its {len(boxes):,} boxes is on an image of the labels; first: "
            f"{boxes['image_index'].iloc[0]}, where names are such as "
            f"{images['image_index'].iloc[0]}"
        )
    ordered = boxes[here].sort_values(["image_index", "finding", *CORNERS])
    cases = boxed_cases(ordered, images)
    absent = len(boxes) - len(ordered)
    read = [
        f"{path.name}: {len(boxes):,} boxes, in {frame.meaning}",
        *scaled.notes,
        *([f"{absent:,} on images that the labels lack: not used"] if absent else []),
        about(cases),
    ]
    return GivenCases(cases, ["; ".join(read)])


def about(cases: Sequence[Case]) -> str:
    """How many cases there are, of how many images and patients."""
    images = len({case.image_index for case in cases})
    patients = len({case.patient_id for case in cases})
    return f"{len(cases):,} cases on {images:,} images of {patients:,} patients"


def as_labelled(names: Sequence[str] | pd.Series, images: pd.DataFrame) -> list[str]:
    """Names of images as the labels spell them; those that the labels lack as they are."""
    spelt = {image_key(name): name for name in images["image_index"]}
    keys = [image_key(str(name).strip()) for name in names]
    return [spelt.get(key, str(name)) for key, name in zip(keys, names, strict=True)]


def expect_labelled(names: pd.Series, images: pd.DataFrame, path: object, *, of: str) -> None:
    """Refuse images that the labels lack.

    Args:
        names: of images, by the row or the file that names them.
        images: all that there are: image_index.
        path: of the file or folder, for messages.
        of: what the names are by.

    Raises:
        ArtifactError: says how many and names the first.
    """
    unknown = names[~names.isin(images["image_index"])].drop_duplicates()
    if len(unknown):
        raise ArtifactError(
            f"{path}: {len(unknown):,} of {names.nunique():,} images are not in the labels; "
            f"first: {unknown.iloc[0]} ({of} {unknown.index[0]}), where names are such as "
            f"{images['image_index'].iloc[0]}"
        )
