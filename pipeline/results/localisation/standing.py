"""Systems beside each other, and beside the best of the boxes that see no image."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pipeline.results.localisation.box_baselines import BOX_BASELINES
from pipeline.results.localisation.box_measures import (
    Scores,
    case_weights,
    compare,
    entries,
    score,
)
from pipeline.results.localisation.boxed_findings import Case
from pipeline.results.localisation.methods import BASELINE
from pipeline.results.localisation.overlap import Detection

System = tuple[str, str]
"""Member and method."""


def baseline_detections(cases: Sequence[Case]) -> dict[System, list[Detection]]:
    """The boxes of every entry of `BOX_BASELINES`, one for each case."""
    return {(BASELINE, name): baseline(cases) for name, baseline in BOX_BASELINES.items()}


def score_systems(
    found: Mapping[System, Sequence[Detection]],
    cases: Sequence[Case],
    *,
    replicates: int,
    seed: int,
) -> dict[System, Scores]:
    """Every system's measures, on the same draws of patients.

    Args:
        found: one detection for each case.
        cases: of one finding on one image each.
        replicates: of the bootstrap over patients; 0 for no intervals.
        seed: of the bootstrap.
    """
    weights = case_weights(cases, replicates=replicates, seed=seed)
    return {system: score(one, cases, weights) for system, one in found.items()}


def lead_table(scores: Mapping[System, Scores]) -> pd.DataFrame:
    """All scores, and what each system leads the bar by (schema LOCALISATION).

    The bar: of the baselines without an image, that of greatest mean IoU on these cases.
    """
    baselines = [one for (member, _), one in scores.items() if member == BASELINE]
    bar = max(baselines, key=lambda one: one.mean_iou)
    return entries(scores, {system: compare(one, bar) for system, one in scores.items()})
