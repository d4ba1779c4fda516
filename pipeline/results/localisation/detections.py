"""What heatmaps and crops say of each case: a box, a point, and how much of the map is inside."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32

from pipeline.attention.boxes import fills_image
from pipeline.attention.crop import BoxRule, fine_map, region_box, region_boxes
from pipeline.attention.drawing import cell_centre
from pipeline.attention.heatmaps import Maps
from pipeline.base.findings import FINDINGS
from pipeline.base.grid import Grid
from pipeline.params.names import RegionRule
from pipeline.results.localisation.boxed_findings import CORNERS, Case, patient_halves
from pipeline.results.localisation.overlap import Detection, box_iou, share_inside, without_map

_ANY = "any finding"

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Among which one is fitted."""


class Drawn(NamedTuple):
    """A map of one finding, drawn on its image once for whatever is asked of it."""

    fine: Float32[np.ndarray, "n n"]
    point: Float[np.ndarray, "2"]
    """x, y where its maximum looks; the first of equals."""
    energy: float
    """Share of it that lies in the true boxes."""

    def detect(self, rule: BoxRule) -> Detection:
        """The box of its evidence, its maximum, and how much of it lies in the true boxes."""
        return self.with_box(region_box(self.fine, rule))

    def with_box(self, box: Float[np.ndarray, "4"] | None) -> Detection:
        """As `detect`, of a box that is drawn already; None where there is no evidence."""
        if box is None:
            return Detection(None, None, empty=True, energy=0.0)
        return Detection(box, self.point, empty=fills_image(box), energy=self.energy)


def draw_maps(maps: Maps, cases: Sequence[Case]) -> list[Drawn]:
    """Each case's heatmap."""
    return [draw(finding_map(maps, case.row, case.finding), maps.grid, case) for case in cases]


def finding_map(maps: Maps, row: int, finding: str) -> Float[np.ndarray, "h w"]:
    """One image's float32 map of one finding; the only map where the method is class-agnostic."""
    stack = maps[row]
    return np.asarray(stack[0 if len(stack) == 1 else FINDINGS.index(finding)])


def draw(heatmap: Float[np.ndarray, "h w"], grid: Grid, case: Case) -> Drawn:
    """A map at its case's image."""
    fine = fine_map(heatmap, grid)
    peak = np.array(np.unravel_index(int(np.argmax(heatmap)), heatmap.shape))  # first of equals
    return Drawn(fine, cell_centre(peak, grid), share_inside(fine, case.truths))


def detect_with_fitted_thresholds(
    drawn: Sequence[Drawn], cases: Sequence[Case], region: RegionRule
) -> list[Detection]:
    """What each map says with the threshold that is best on the other half of the patients.

    One for each finding, as the best constant box is; for a finding that the other half lacks,
    the one that is best there for the mean over findings.
    """
    boxes = [region_boxes(one.fine, THRESHOLDS, region) for one in drawn]
    ious = np.stack(
        [box_iou(own, case.truths).max(axis=1) for own, case in zip(boxes, cases, strict=True)]
    )
    halves = np.array(patient_halves(cases))
    findings = np.array([case.finding for case in cases])
    fitted = {half: _fitted(ious[halves != half], findings[halves != half]) for half in (0, 1)}
    chosen = [
        fitted[half].get(case.finding, fitted[half][_ANY])
        for half, case in zip(halves, cases, strict=True)
    ]
    return [
        one.with_box(own[threshold] if one.fine.any() else None)
        for one, own, threshold in zip(drawn, boxes, chosen, strict=True)
    ]


def _fitted(ious: Float[np.ndarray, "n t"], findings: np.ndarray) -> dict[str, int]:
    """The place of the best threshold of each finding and, as `_ANY`, of all.

    Of no case that of the middle one.
    """
    if not len(ious):
        return {_ANY: len(THRESHOLDS) // 2}
    means = {str(name): ious[findings == name].mean(axis=0) for name in np.unique(findings)}
    means[_ANY] = np.mean(list(means.values()), axis=0)
    return {name: int(np.argmax(values)) for name, values in means.items()}


def detect_in_noise(
    cases: Sequence[Case], rule: BoxRule, *, shape: tuple[int, int], grid: Grid, seed: int
) -> list[Detection]:
    """What maps of random numbers say, on a grid like the heatmaps'."""
    rng = np.random.default_rng(seed)
    return [draw(rng.random(shape), grid, case).detect(rule) for case in cases]


def detect_crops(
    crops: pd.DataFrame, cases: Sequence[Case], *, methods: set[str]
) -> list[Detection]:
    """The crop of each case's image, whatever the finding; of several the first, of most evidence.

    A crop that none of `methods` drew is a fallback: scored as it is, and counted as empty, as
    is one that is the whole image.
    """
    rows = crops.drop_duplicates("image_index").set_index("image_index")
    boxes = rows[CORNERS].to_numpy(np.float64)
    fallback = ~rows["source"].isin(methods).to_numpy()
    place = {name: row for row, name in enumerate(rows.index)}
    return [
        without_map(boxes[row], empty=bool(fallback[row]) or fills_image(boxes[row]))
        for row in (place[case.image_index] for case in cases)
    ]
