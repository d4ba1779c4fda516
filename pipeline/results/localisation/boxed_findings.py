"""Cases: an image, a finding, and where radiologists saw it."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

log = logging.getLogger(__name__)

CORNERS = ["x1", "y1", "x2", "y2"]


class Case(NamedTuple):
    """One finding on one image; several boxes of it are one case."""

    image_index: str
    row: int
    """Of the image in the index, and so in every heatmap shard and table of crops."""
    patient_id: int
    finding: str
    truths: Float[np.ndarray, "k 4"]
    """The radiologists' boxes, xyxy fractions of the image."""


def patient_halves(cases: Sequence[Case]) -> list[int]:
    """0 or 1 for each case: alternate patients by ascending id, without a seed.

    What is fitted on one half is judged on the other.
    """
    place = {patient: i for i, patient in enumerate(sorted({case.patient_id for case in cases}))}
    return [place[case.patient_id] % 2 for case in cases]


def boxed_cases(boxes: pd.DataFrame, index: pd.DataFrame) -> list[Case]:
    """The boxed findings of the images in the index, by image and finding.

    Boxes on images that the index does not hold (a partial cohort) are counted in the log.
    """
    rows = {name: row for row, name in enumerate(index["image_index"])}
    patients = index["patient_id"].to_numpy()
    known = boxes[boxes["image_index"].isin(index["image_index"])]
    if len(known) < len(boxes):
        log.warning(
            "%d of %d boxes are on images that the index does not hold; %d are used",
            len(boxes) - len(known), len(boxes), len(known),
        )  # fmt: skip
    cases = []
    for (image_index, finding), group in known.groupby(["image_index", "finding"]):
        row = rows[str(image_index)]
        truths = group[CORNERS].to_numpy(np.float64)
        cases.append(Case(str(image_index), row, int(patients[row]), str(finding), truths))
    return cases
