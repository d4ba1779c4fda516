"""Scores and paired differences as tables, with every interval that there is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.results.evaluation.files.evaluations import SCHEMAS
from pipeline.results.evaluation.scores import MEAN, MEASURES, HeldOut, Scores
from pipeline.results.statistics.delong import delong_interval, delong_p_value
from pipeline.results.statistics.estimate import UNKNOWN, Estimate, bca, p_value, percentile


def score_rows(splits: Mapping[str, HeldOut]) -> pd.DataFrame:
    """Table `scores`: a row for each split, system, measure and finding, the mean last."""
    rows = [
        (system, split, finding, measure, *_row(scores, measure, finding), *_sizes(held, finding))
        for split, held in splits.items()
        for system, scores in held.scores.items()
        for measure in MEASURES
        for finding in scores.of[measure]
    ]
    return _table(rows, "scores")


def _row(scores: Scores, measure: str, finding: str) -> tuple[float, ...]:
    one = scores.of[measure][finding]
    has_delong = measure == "auroc" and finding != MEAN
    delong = delong_interval(scores.placements[finding]) if has_delong and one.sure else UNKNOWN
    return (*_estimate(one), *delong)


def _estimate(one: Estimate) -> tuple[float, ...]:
    return (one.value, *percentile(one), *bca(one))


def _sizes(held: HeldOut, finding: str) -> tuple[int, int | None]:
    if finding == MEAN:
        return len(held.images.image_index), None
    targets = held.images.targets[finding]
    return len(targets), int(targets.sum())


def comparison_rows(
    scores: Mapping[str, Scores], pairs: Sequence[tuple[str, str]]
) -> pd.DataFrame:
    """Table `comparisons`: paired differences of the first of each pair less the second."""
    rows = [
        (system, against, finding, measure, *_difference(scores[system], scores[against], at))
        for system, against in pairs
        for measure in MEASURES
        for finding in scores[system].of[measure]
        for at in [(measure, finding)]
    ]
    return _table(rows, "comparisons")


def _difference(one: Scores, other: Scores, at: tuple[str, str]) -> tuple[float, ...]:
    measure, finding = at
    difference = one.of[measure][finding] - other.of[measure][finding]
    delong = np.nan
    if measure == "auroc" and finding != MEAN and difference.sure:
        delong = delong_p_value(one.placements[finding], other.placements[finding])
    return (*_estimate(difference), p_value(difference), delong)


def compared(
    systems: Sequence[str], voters: Sequence[str], val: Mapping[str, Scores]
) -> list[tuple[str, str]]:
    """Which differences are reported: within each member, and the ensemble over its best voter.

    The best voter is chosen on validation, or the choice itself would favour it on test.
    """
    members = [name.removesuffix(".global") for name in systems if name.endswith(".global")]
    pairs = [
        (f"{member}.{branch}", f"{member}.global")
        for member in members
        for branch in ("local", "fusion")
        if f"{member}.{branch}" in systems
    ]
    means = {name: mean.value for name in sorted(voters) if (mean := val[name].mean("auroc"))}
    if means and "ensemble" in systems:
        pairs.append(("ensemble", max(means, key=means.__getitem__)))
    return pairs


def _table(rows: list[tuple[Any, ...]], name: str) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=SCHEMAS[name].names)
    if "positives" in table:
        table["positives"] = table["positives"].astype("Int64")
    return table
