"""Heatmaps and crops against the radiologists' boxes."""

import logging
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import pandas as pd

from pipeline.attention.boxed_maps import BoxedMaps
from pipeline.attention.crop import BoxRule
from pipeline.attention.heatmaps import Maps
from pipeline.base.shards import expect_rows
from pipeline.errors import ArtifactError
from pipeline.params.sections import IouParams
from pipeline.results.localisation.box_measures import entries
from pipeline.results.localisation.boxed_findings import Case, boxed_cases
from pipeline.results.localisation.detections import (
    detect_crops,
    detect_in_noise,
    detect_with_fitted_thresholds,
    draw_maps,
)
from pipeline.results.localisation.grid_ceiling import best_on_grid
from pipeline.results.localisation.methods import (
    BASELINE,
    CEILING,
    FINE,
    FITTED,
    NOISE,
    RANDOMISED,
    is_control,
    spoken,
)
from pipeline.results.localisation.overlap import Detection
from pipeline.results.localisation.standing import (
    System,
    baseline_detections,
    lead_table,
    score_systems,
)

log = logging.getLogger(__name__)

Heatmaps = Mapping[str, Maps]
"""Maps by method, `(findings or 1, h, w)` per image, rows in index order."""


class Located(NamedTuple):
    """All that a member has to be scored."""

    heatmaps: Heatmaps
    crops: pd.DataFrame
    """Schema CROPS; scored as method `crop`."""
    boxed_maps: BoxedMaps
    """Finer maps of the images with boxes, and those of its network with random weights."""


def locate(
    heatmaps: Mapping[str, Heatmaps],
    crops: Mapping[str, pd.DataFrame],
    boxed_maps: Mapping[str, BoxedMaps],
) -> dict[str, Located]:
    """What belongs to each member, from what there is of each kind."""
    return {name: Located(maps, crops[name], boxed_maps[name]) for name, maps in heatmaps.items()}


def localise(
    members: Mapping[str, Located],
    boxes: pd.DataFrame,
    index: pd.DataFrame,
    params: IouParams,
    *,
    seed: int,
) -> pd.DataFrame:
    """Score every member's heatmaps and crops, and boxes that see no image.

    Args:
        members: by name.
        boxes: of the radiologists (schema BOXES).
        index: of the images (schema INDEX).
        params: the section of params.yaml.
        seed: of the bootstrap over patients, the same for all, and of random maps.

    Returns:
        Schema LOCALISATION: for each finding that has boxes every measure of `MEASURES` as a mean
        over its cases, with its interval; under "mean" the unweighted mean over those findings.
        There `lead` is the mean IoU less that of the best box that sees no image, paired. No rows
        without any box.

    Raises:
        ArtifactError: heatmaps or crops do not belong to this index.
    """
    cases = boxed_cases(boxes, index)
    if not cases:
        log.warning("no radiologist's box is on any of the %d images: no IoU", len(index))
        return entries({}, {})
    _refuse_other_cohort(members, index, cases)
    found = _detections(members, cases, params, seed=seed)
    return lead_table(score_systems(found, cases, replicates=params.bootstrap, seed=seed))


def _detections(
    members: Mapping[str, Located], cases: Sequence[Case], params: IouParams, *, seed: int
) -> dict[System, list[Detection]]:
    found: dict[System, list[Detection]] = {}
    for member, located in members.items():
        found |= {
            (member, method): one for method, one in _of_member(located, cases, params).items()
        }
    found |= baseline_detections(cases)
    maps = next((maps for one in members.values() for maps in one.heatmaps.values()), None)
    if maps is not None:
        height, width = maps[0].shape[-2:]
        found[BASELINE, NOISE] = detect_in_noise(
            cases,
            _rule(params),
            shape=(height, width),
            grid=maps.grid,
            seed=seed,
        )
    return found


def _of_member(
    located: Located, cases: Sequence[Case], params: IouParams
) -> dict[str, list[Detection]]:
    boxed_maps = located.boxed_maps
    kinds = boxed_maps.kinds
    placed = [case._replace(row=boxed_maps.rows[case.image_index]) for case in cases]
    found = _of_maps(located.heatmaps, cases, params)
    found |= _of_maps(kinds.get("fine", {}), placed, params, suffix=FINE)
    found |= _of_maps(kinds.get("random", {}), placed, params, suffix=RANDOMISED)
    found |= _of_maps(kinds.get("fine_random", {}), placed, params, suffix=FINE + RANDOMISED)
    found["crop"] = detect_crops(located.crops, cases, methods=set(located.heatmaps))
    return found


def _of_maps(
    heatmaps: Heatmaps, cases: Sequence[Case], params: IouParams, *, suffix: str = ""
) -> dict[str, list[Detection]]:
    """Of every method, and the ceiling of their grid where these are a network's own."""
    found: dict[str, list[Detection]] = {}
    for method, maps in heatmaps.items():
        drawn = draw_maps(maps, cases)
        found[method + suffix] = [one.detect(_rule(params)) for one in drawn]
        if params.fit_threshold:
            found[method + suffix + FITTED] = detect_with_fitted_thresholds(
                drawn, cases, params.region
            )
    for maps in islice(heatmaps.values(), 0 if is_control(suffix) else 1):
        rows, columns = maps[0].shape[-2:]  # of all methods alike
        found[CEILING + suffix] = best_on_grid(cases, rows=rows, columns=columns)
    return found


def _rule(params: IouParams) -> BoxRule:
    return BoxRule(params.threshold, params.region)


def _refuse_other_cohort(
    members: Mapping[str, Located], index: pd.DataFrame, cases: Sequence[Case]
) -> None:
    boxed = {case.image_index for case in cases}
    for member, located in members.items():
        for method, maps in located.heatmaps.items():
            expect_rows(len(maps), index, of=f"{member}'s {method} heatmaps")
        missing = set(index["image_index"]) - set(located.crops["image_index"])
        if missing:
            raise ArtifactError(
                f"{member}'s crops lack {len(missing)} of {len(index)} images; first: "
                f"{min(missing)}; run extract_crops again"
            )
        unseen = boxed - set(located.boxed_maps.rows)
        if unseen:
            raise ArtifactError(
                f"{member}'s closer look lacks {len(unseen)} of {len(boxed)} images that have "
                f"boxes; first: {min(unseen)}; run map_boxed again"
            )


def iou_metrics(table: pd.DataFrame) -> dict[str, Any]:
    """metrics/methods.json: member, method, finding (or "mean") to measures and `n`.

    With the intervals of `iou` and `lead`; those of the others, and T(IoBB), are in the table.
    """
    metrics: dict[str, Any] = {}
    for row in table.to_dict("records"):
        entry = metrics.setdefault(row["member"], {}).setdefault(row["method"], {})
        entry = entry.setdefault(row["finding"], {"n": row["n"]})
        name, _, threshold = row["measure"].partition(".")
        if pd.isna(row["value"]) or name == "t_iobb":
            continue
        if threshold:
            entry.setdefault(name, {})[threshold] = row["value"]
            continue
        entry[name] = row["value"]
        if name in {"iou", "lead"} and not pd.isna(row["low"]):
            entry |= {f"{name}_low": row["low"], f"{name}_high": row["high"]}
    return metrics


def iou_points(table: pd.DataFrame) -> pd.DataFrame:
    """The plot: columns finding (or "mean"), member, method (as prose), iou, low, high.

    Args:
        table: schema LOCALISATION; controls, which are no way to localise, are left out.
    """
    controls = table["method"].map(is_control).astype(bool)
    points = table[table["measure"].eq("iou") & ~controls].rename(columns={"value": "iou"})
    points = points.assign(method=points["method"].map(spoken))
    return points[["finding", "member", "method", "iou", "low", "high"]].reset_index(drop=True)
