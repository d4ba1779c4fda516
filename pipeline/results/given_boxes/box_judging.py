"""Boxes of several files on the same cases, beside boxes that see no image."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pipeline.attention.crop import BoxRule
from pipeline.base.grid import tiles
from pipeline.errors import PipelineError
from pipeline.results.given_boxes.box_files import Detected, detect_in_box_file
from pipeline.results.given_boxes.given_frames import Frame
from pipeline.results.given_boxes.map_files import detect_in_map_files, holds_maps
from pipeline.results.localisation.box_measures import compare
from pipeline.results.localisation.boxed_findings import Case
from pipeline.results.localisation.detections import detect_in_noise
from pipeline.results.localisation.localisation import iou_metrics
from pipeline.results.localisation.methods import BASELINE, NOISE
from pipeline.results.localisation.overlap import Detection
from pipeline.results.localisation.standing import (
    System,
    baseline_detections,
    lead_table,
    score_systems,
)


class Judged(NamedTuple):
    """What came out, as tables."""

    localisation: pd.DataFrame
    """Schema LOCALISATION; member is the file's name, method `boxes` or `heatmaps`."""
    comparisons: pd.DataFrame
    """Of the first file with each other: system, against, and value, low and high of the paired
    difference in mean IoU."""

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """Its tables that have rows."""
        return {name: one for name, one in self._asdict().items() if len(one)}

    @property
    def metrics(self) -> dict[str, Any]:
        """As JSON: measures by file, method and finding, and the differences."""
        known = [row.dropna().to_dict() for _, row in self.comparisons.iterrows()]
        delta = {f"{one.pop('system')} - {one.pop('against')}": one for one in known}
        return {"systems": iou_metrics(self.localisation)} | ({"delta": delta} if delta else {})


def detect_in_files(
    paths: Sequence[Path],
    cases: Sequence[Case],
    images: pd.DataFrame,
    frame: Frame,
    rule: BoxRule,
) -> dict[str, Detected]:
    """What each file of boxes, or of heatmaps, says of the cases, by its name.

    Args:
        paths: a folder, or a file of numpy's, is one of heatmaps.
        cases: that are judged.
        images: all that there are: image_index.
        frame: that boxes are drawn in.
        rule: that heatmaps become boxes by.

    Raises:
        ArtifactError: as `detect_in_box_file` and `detect_in_map_files`.
        PipelineError: a path is given twice.
    """
    files: dict[str, Detected] = {}
    whole = [path.resolve() for path in paths]
    for place, path in enumerate(paths):
        if whole[place] in whole[:place]:
            raise PipelineError(f"{path}: given twice; expected other boxes to compare with")
        name = path.name if path.name not in {*files, BASELINE} else str(whole[place])
        if holds_maps(path):
            files[name] = detect_in_map_files(path, cases, images, rule)
        else:
            files[name] = detect_in_box_file(path, cases, images, frame)
    return files


def judge_boxes(
    files: Mapping[str, Detected],
    cases: Sequence[Case],
    rule: BoxRule,
    *,
    replicates: int,
    seed: int,
) -> Judged:
    """Score every file as the stage `iou` scores a run, and compare the first with each other.

    Args:
        files: by name; the first is looked at closely.
        cases: that they were read for.
        rule: that heatmaps become boxes by, for maps of random numbers beside them.
        replicates: of the bootstrap over patients; 0 for no intervals.
        seed: of the bootstrap, and of random maps.
    """
    found: dict[System, list[Detection]] = {
        (name, one.method): one.detections for name, one in files.items()
    }
    subject, *others = found
    found |= baseline_detections(cases)
    maps = next(((one.shape, one.grid) for one in files.values() if one.shape), None)
    if maps is not None:
        shape, grid = maps
        found[BASELINE, NOISE] = detect_in_noise(
            cases, rule, shape=shape, grid=grid or tiles(shape[0]), seed=seed
        )
    scores = score_systems(found, cases, replicates=replicates, seed=seed)
    pairs = [
        {"system": subject[0], "against": other[0]}
        | asdict(compare(scores[subject], scores[other]))
        for other in others
    ]
    columns = ["system", "against", "value", "low", "high"]
    return Judged(lead_table(scores), pd.DataFrame(pairs, columns=columns))
