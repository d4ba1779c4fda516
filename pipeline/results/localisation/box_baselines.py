"""Boxes that see no image: a heatmap that does not beat them has localised nothing."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from jaxtyping import Float

from pipeline.results.localisation.boxed_findings import Case, patient_halves
from pipeline.results.localisation.overlap import Detection, box_iou, without_map

CENTRE_BOX = np.array([0.25, 0.25, 0.75, 0.75])
"""Half the image's width and height, in the middle."""

_ANY = "any finding"
_GRID = 16  # 18,496 boxes with edges on sixteenths, then refined
_FINEST = 128


def centre_box(cases: Sequence[Case]) -> list[Detection]:
    """The same centred box of half the width and height for all."""
    return [without_map(CENTRE_BOX)] * len(cases)


def constant_box(cases: Sequence[Case]) -> list[Detection]:
    """The best single box for all findings, fitted on the other half of the patients.

    Fitted for the mean over findings of the mean IoU, which is what the tables show.
    """
    return _cross_fitted(cases, lambda _: _ANY)


def per_finding_box(cases: Sequence[Case]) -> list[Detection]:
    """The best single box for each finding, fitted on the other half of the patients."""
    return _cross_fitted(cases, lambda case: case.finding)


BOX_BASELINES: dict[str, Callable[[Sequence[Case]], list[Detection]]] = {
    "centre_box": centre_box,
    "constant_box": constant_box,
    "per_finding_box": per_finding_box,
}


def _cross_fitted(cases: Sequence[Case], key: Callable[[Case], str]) -> list[Detection]:
    """For each case the box of its key from the other half.

    Where that half lacks the key, the best single box there; where it lacks everything (one
    patient alone has boxes) the centred one.
    """
    halves = patient_halves(cases)
    fitted: dict[tuple[int, str], Float[np.ndarray, 4]] = {}
    for half in (0, 1):
        other = [case for case, its in zip(cases, halves, strict=True) if its != half]
        fitted[half, _ANY] = fit_box(other) if other else CENTRE_BOX
        for name in {key(case) for case in other}:
            fitted[half, name] = fit_box([case for case in other if key(case) == name])
    return [
        without_map(fitted.get((half, key(case)), fitted[half, _ANY]))
        for half, case in zip(halves, cases, strict=True)
    ]


def fit_box(cases: Sequence[Case]) -> Float[np.ndarray, "4"]:
    """The box with the greatest mean IoU, every finding weighing the same.

    Of several true boxes of a case the best matching one counts, as where it is judged. Found on
    a grid of sixteenths, then refined by halving steps down to 1/128 of the image.
    """
    truths = [case.truths for case in cases]
    _, which, counts = np.unique(
        [case.finding for case in cases], return_inverse=True, return_counts=True
    )
    weights = 1 / counts[which]
    box, step = _best(_grid_boxes(), truths, weights), _GRID
    while step < _FINEST:
        step *= 2
        moves = np.array(list(product((-1, 0, 1), repeat=4))) / step
        box = _best(np.clip(box + moves, 0, 1), truths, weights)
    return box


def _best(
    boxes: Float[np.ndarray, "a 4"],
    truths: Sequence[Float[np.ndarray, "_ 4"]],
    weights: Float[np.ndarray, " cases"],
) -> Float[np.ndarray, "4"]:
    every = np.concatenate(truths)
    starts = np.cumsum([0, *(len(one) for one in truths[:-1])])
    rows = range(0, len(boxes), 1024)  # a block of 1,024 boxes x 984 truths is 8 MB
    values = [
        np.maximum.reduceat(box_iou(boxes[start : start + 1024], every), starts, axis=1) @ weights
        for start in rows
    ]
    return np.asarray(boxes[int(np.argmax(np.concatenate(values)))])


def _grid_boxes() -> Float[np.ndarray, "a 4"]:
    spans = [(a / _GRID, b / _GRID) for a in range(_GRID) for b in range(a + 1, _GRID + 1)]
    return np.array([(x1, y1, x2, y2) for x1, x2 in spans for y1, y2 in spans])
