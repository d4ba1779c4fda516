"""The best box of whole cells: the known figures, and no better one by trying all."""

from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_box_baselines import means, official

from pipeline.results.localisation.boxed_findings import Case
from pipeline.results.localisation.grid_ceiling import best_on_grid
from pipeline.results.localisation.overlap import box_iou

NIH = Path(__file__).parents[4] / "../shared/nih-sample"
__all__ = ["official"]


def all_boxes(rows, columns):
    across, down = (
        [(a / n, b / n) for a, b in combinations(range(n + 1), 2)] for n in (columns, rows)
    )
    return np.array([(x1, y1, x2, y2) for (x1, x2), (y1, y2) in product(across, down)])


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.integers(2, 7), st.integers(2, 7))
def test_no_box_of_whole_cells_is_better(edges, rows, columns):
    (x1, x2), (y1, y2) = sorted(edges[:2]), sorted(edges[2:])
    truth = np.array([[x1, y1, x2 + 0.01, y2 + 0.01]])
    (found,) = best_on_grid([Case("a.png", 0, 0, "Mass", truth)], rows=rows, columns=columns)
    best = box_iou(all_boxes(rows, columns), truth).max()
    assert box_iou(found.box[None], truth)[0, 0] == pytest.approx(best)


@pytest.mark.parametrize(("cells", "known"), [(7, 0.491), (14, 0.663), (16, 0.696), (28, 0.801)])
def test_grids_have_their_known_ceilings_on_the_official_boxes(official, cells, known):
    found = means(best_on_grid(official, rows=cells, columns=cells), official)
    assert found["iou"] == pytest.approx(known, abs=1e-3)
