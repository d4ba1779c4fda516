"""Heatmaps and crops against the radiologists' boxes."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts.heatmaps import Maps
from pipeline.artifacts.shards import expect_rows
from pipeline.attention.crop import fills_image, heatmap_box
from pipeline.attention.grid import cell_centre
from pipeline.errors import ArtifactError
from pipeline.findings import FINDINGS
from pipeline.grid import Grid
from pipeline.results.box_baselines import BOX_BASELINES
from pipeline.results.cases import CORNERS, Case, boxed_cases
from pipeline.results.overlap import Detection, Overlap, overlap, summary

log = logging.getLogger(__name__)

Table = dict[str, dict[str, dict[str, Any]]]
"""Member, method, finding (or "mean") to measures."""

Heatmaps = Mapping[str, Maps]
"""Maps by method, `(findings or 1, h, w)` per image, rows in index order."""


def localise(
    heatmaps: Mapping[str, Heatmaps],
    crops: Mapping[str, pd.DataFrame],
    boxes: pd.DataFrame,
    index: pd.DataFrame,
    *,
    threshold: float,
) -> Table:
    """Score every member's heatmaps and crops, and boxes that see no image.

    Args:
        heatmaps: of each member.
        crops: of each member (schema CROPS); scored as method `crop`.
        boxes: of the radiologists (schema BOXES).
        index: of the images (schema INDEX).
        threshold: of a heatmap divided by its maximum, as in `heatmap_box`.

    Returns:
        For each finding that has boxes: mean `iou`, `t_iou` (share of cases above each IoU),
        `iobb`, `pointing`, `empty_rate` (share of cases in which the method pointed nowhere) and
        the number of cases `n`; under "mean" the unweighted mean over those findings, with their
        total `n`. `{}` without any box.

    Raises:
        ArtifactError: heatmaps or crops do not belong to this index.
    """
    cases = boxed_cases(boxes, index)
    if not cases:
        log.warning("no radiologist's box is on any of the %d images: no IoU", len(index))
        return {}
    _refuse_other_cohort(heatmaps, crops, index)
    found = {
        member: _detections(heatmaps.get(member, {}), crops.get(member), cases, threshold)
        for member in sorted({*heatmaps, *crops})
    }
    found["baseline"] = {name: baseline(cases) for name, baseline in BOX_BASELINES.items()}
    return {
        member: {method: by_finding(hits, cases) for method, hits in methods.items()}
        for member, methods in found.items()
    }


def _detections(
    heatmaps: Heatmaps, crops: pd.DataFrame | None, cases: Sequence[Case], threshold: float
) -> dict[str, list[Detection]]:
    found = {
        method: detect_in_maps(maps, cases, threshold=threshold)
        for method, maps in heatmaps.items()
    }
    if crops is not None:
        found["crop"] = detect_crops(crops, cases, methods=set(heatmaps))
    return found


def detect_in_maps(maps: Maps, cases: Sequence[Case], *, threshold: float) -> list[Detection]:
    """Box and maximum of each case's heatmap."""
    return [
        _detection(finding_map(maps, case.row, case.finding), maps.grid, threshold)
        for case in cases
    ]


def finding_map(maps: Maps, row: int, finding: str) -> np.ndarray:
    """One image's float32 map of one finding; the only map where the method is class-agnostic."""
    stack = maps[row]
    return np.asarray(stack[0 if len(stack) == 1 else FINDINGS.index(finding)])


def _detection(heatmap: np.ndarray, grid: Grid, threshold: float) -> Detection:
    box = heatmap_box(heatmap, grid, threshold=threshold)
    if box is None:
        return Detection(None, None, empty=True)
    peak = np.array(np.unravel_index(int(np.argmax(heatmap)), heatmap.shape))  # first of equals
    return Detection(box, cell_centre(peak, grid), empty=fills_image(box))


def detect_crops(
    crops: pd.DataFrame, cases: Sequence[Case], *, methods: set[str]
) -> list[Detection]:
    """The crop of each case's image, whatever the finding.

    A crop that none of `methods` drew is a fallback: scored as it is, and counted as empty.
    """
    rows = crops.set_index("image_index")
    boxes = rows[CORNERS].to_numpy(np.float64)
    fallback = ~rows["source"].isin(methods).to_numpy()
    place = {name: row for row, name in enumerate(rows.index)}
    return [
        Detection(boxes[row], (boxes[row, :2] + boxes[row, 2:]) / 2, empty=bool(fallback[row]))
        for row in (place[case.image_index] for case in cases)
    ]


def by_finding(detections: Sequence[Detection], cases: Sequence[Case]) -> dict[str, Any]:
    """Measures of each finding that has cases, and their unweighted mean."""
    overlaps: dict[str, list[Overlap]] = {}
    for detection, case in zip(detections, cases, strict=True):
        overlaps.setdefault(case.finding, []).append(overlap(detection, case.truths))
    measures = {finding: summary(overlaps[finding]) for finding in FINDINGS if finding in overlaps}
    return {**measures, "mean": _macro_mean(list(measures.values()))}


def _macro_mean(measures: list[dict[str, Any]]) -> dict[str, Any]:
    mean: dict[str, Any] = {
        name: float(np.mean([one[name] for one in measures]))
        for name in ("iou", "iobb", "pointing", "empty_rate")
    }
    mean["t_iou"] = {
        threshold: float(np.mean([one["t_iou"][threshold] for one in measures]))
        for threshold in measures[0]["t_iou"]
    }
    return {**mean, "n": sum(one["n"] for one in measures)}


def _refuse_other_cohort(
    heatmaps: Mapping[str, Heatmaps], crops: Mapping[str, pd.DataFrame], index: pd.DataFrame
) -> None:
    for member, methods in heatmaps.items():
        for method, maps in methods.items():
            expect_rows(len(maps), index, of=f"{member}'s {method} heatmaps")
    for member, table in crops.items():
        missing = set(index["image_index"]) - set(table["image_index"])
        if missing:
            raise ArtifactError(
                f"{member}'s crops lack {len(missing)} of {len(index)} images; first: "
                f"{min(missing)}; run extract_crops again"
            )


def iou_rows(table: Table) -> pd.DataFrame:
    """The plot: columns finding, system (`<member>.<method>`), iou, t_iou_0.3, pointing."""
    rows = [
        (finding, f"{member}.{method}", one["iou"], one["t_iou"]["0.3"], one["pointing"])
        for member, methods in table.items()
        for method, findings in methods.items()
        for finding, one in findings.items()
    ]
    return pd.DataFrame(rows, columns=["finding", "system", "iou", "t_iou_0.3", "pointing"])
