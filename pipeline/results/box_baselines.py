"""Boxes that see no image: a heatmap that does not beat them has localised nothing."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from jaxtyping import Float

from pipeline.results.cases import Case, patient_halves
from pipeline.results.overlap import Detection, box_iou

CENTRE_BOX = np.array([0.25, 0.25, 0.75, 0.75])
"""Half the image's width and height, in the middle."""

_GRID = 16  # 18,496 boxes with edges on sixteenths, then refined
_FINEST = 128


def centre_box(cases: Sequence[Case]) -> list[Detection]:
    """The same centred box of half the width and height for all."""
    return [_detection(CENTRE_BOX)] * len(cases)


def constant_box(cases: Sequence[Case]) -> list[Detection]:
    """The best single box for all findings, fitted on the other half of the patients.

    Fitted for the mean over findings of the mean IoU, which is what the tables show.
    """
    return _cross_fitted(cases, lambda _: "any")


def per_finding_box(cases: Sequence[Case]) -> list[Detection]:
    """The best single box for each finding, fitted on the other half of the patients.

    A finding that the other half does not hold has no box there, and counts as empty.
    """
    return _cross_fitted(cases, lambda case: case.finding)


BOX_BASELINES: dict[str, Callable[[Sequence[Case]], list[Detection]]] = {
    "centre_box": centre_box,
    "constant_box": constant_box,
    "per_finding_box": per_finding_box,
}


def _cross_fitted(cases: Sequence[Case], key: Callable[[Case], str]) -> list[Detection]:
    keyed = [(half, key(case)) for half, case in zip(patient_halves(cases), cases, strict=True)]
    fitted = {
        one: fit_box([case for case, its in zip(cases, keyed, strict=True) if its == one])
        for one in dict.fromkeys(keyed)
    }
    return [_detection(fitted.get((1 - half, name))) for half, name in keyed]


def fit_box(cases: Sequence[Case]) -> Float[np.ndarray, "4"]:
    """The box with the greatest mean IoU, every finding weighing the same.

    Found on a grid of sixteenths, then refined by halving steps down to 1/128 of the image.
    """
    truths = np.concatenate([case.truths for case in cases])
    findings = np.concatenate([[case.finding] * len(case.truths) for case in cases])
    _, which, counts = np.unique(findings, return_inverse=True, return_counts=True)
    weights = 1 / counts[which]
    box, step = _best(_grid_boxes(), truths, weights), _GRID
    while step < _FINEST:
        step *= 2
        moves = np.array(list(product((-1, 0, 1), repeat=4))) / step
        box = _best(np.clip(box + moves, 0, 1), truths, weights)
    return box


def _best(
    boxes: Float[np.ndarray, "a 4"],
    truths: Float[np.ndarray, "b 4"],
    weights: Float[np.ndarray, " b"],
) -> Float[np.ndarray, "4"]:
    rows = range(0, len(boxes), 1024)  # a block of 1,024 boxes x 984 truths is 8 MB
    values = [box_iou(boxes[start : start + 1024], truths) @ weights for start in rows]
    return np.asarray(boxes[int(np.argmax(np.concatenate(values)))])


def _grid_boxes() -> Float[np.ndarray, "a 4"]:
    spans = [(a / _GRID, b / _GRID) for a in range(_GRID) for b in range(a + 1, _GRID + 1)]
    return np.array([(x1, y1, x2, y2) for x1, x2 in spans for y1, y2 in spans])


def _detection(box: Float[np.ndarray, "4"] | None) -> Detection:
    return Detection(box, None if box is None else (box[:2] + box[2:]) / 2)
