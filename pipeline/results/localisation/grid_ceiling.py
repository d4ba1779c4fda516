"""The best box that a grid allows: what its cells cost, before any network has looked."""

from collections.abc import Sequence
from itertools import combinations, product

import numpy as np
from jaxtyping import Float

from pipeline.results.localisation.boxed_findings import Case
from pipeline.results.localisation.overlap import Detection, box_iou


def best_on_grid(cases: Sequence[Case], *, rows: int, columns: int) -> list[Detection]:
    """The box of whole cells that meets each case best: `rows` x `columns` of them, as tiles.

    A heatmap that is interpolated between its cells may do better.
    """
    return [Detection(_best(case, rows, columns), None) for case in cases]


def _best(case: Case, rows: int, columns: int) -> Float[np.ndarray, "4"]:
    boxes = np.concatenate([_around(truth, rows=rows, columns=columns) for truth in case.truths])
    ious = box_iou(boxes, case.truths).max(axis=1)
    return np.asarray(boxes[int(ious.argmax())])


def _around(truth: Float[np.ndarray, "4"], *, rows: int, columns: int) -> Float[np.ndarray, "k 4"]:
    """Boxes whose edges are cell edges next to the true ones."""
    x1, y1, x2, y2 = truth
    across, down = _spans(x1, x2, columns), _spans(y1, y2, rows)
    return np.array([(a, c, b, d) for (a, b), (c, d) in product(across, down)])


def _spans(start: float, end: float, cells: int) -> list[tuple[float, float]]:
    edges = {
        min(max(int(np.floor(edge * cells)) + step, 0), cells)
        for edge in (start, end)
        for step in (-1, 0, 1, 2)
    }
    return [(a / cells, b / cells) for a, b in combinations(sorted(edges), 2)]
