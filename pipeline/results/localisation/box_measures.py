"""Means over boxed cases, with intervals that resample patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import LOCALISATION
from pipeline.results.localisation.boxed_findings import Case
from pipeline.results.localisation.overlap import MEASURES, Detection, measured, overlap
from pipeline.results.statistics.bootstrap import patient_counts, percentile_interval
from pipeline.results.statistics.metrics import ratio

MEAN = "mean"
"""In the place of a finding: the unweighted mean over the findings that have cases."""

_IOU = MEASURES.index("iou")


@dataclass(frozen=True)
class Scores:
    """Of one system. NaN is a measure that it has not, or a replicate without a case."""

    means: dict[str, Float[np.ndarray, " m"]]
    """Each measure of `MEASURES`, by finding and under `MEAN`."""
    replicates: dict[str, Float[np.ndarray, "r m"]]
    """The same in every replicate of the bootstrap."""
    cases: dict[str, int]

    @property
    def mean_iou(self) -> float:
        """What systems are ranked by."""
        return float(self.means[MEAN][_IOU])


@dataclass(frozen=True)
class Difference:
    """Of two systems' mean IoUs, and its interval where there is one."""

    value: float
    low: float
    high: float


def case_weights(
    cases: Sequence[Case], *, replicates: int, seed: int
) -> Float[np.ndarray, "n replicates"]:
    """How often each case is in each replicate of the bootstrap: as often as its patient.

    A replicate draws as many patients as there are. The same weights for every system make
    differences between them paired.
    """
    ids, places = np.unique([case.patient_id for case in cases], return_inverse=True)
    return patient_counts(len(ids), replicates=replicates, seed=seed)[places]


def score(
    detections: Sequence[Detection],
    cases: Sequence[Case],
    weights: Float[np.ndarray, "n replicates"],
) -> Scores:
    """Every measure over the cases of each finding, and in every replicate.

    A replicate's mean is over the findings that it holds. What rests on one patient alone has
    no replicates: nothing is known of how it varies.

    Args:
        detections: one for each case.
        cases: of one finding on one image each.
        weights: of `case_weights`.
    """
    overlaps = [overlap(one, case.truths) for one, case in zip(detections, cases, strict=True)]
    values = measured(overlaps)
    found = np.array([case.finding for case in cases])
    held = [finding for finding in FINDINGS if (found == finding).any()]
    here = {finding: found == finding for finding in held}
    means = {finding: values[rows].mean(axis=0) for finding, rows in here.items()}
    drawn = {finding: _drawn(values[rows], weights[rows]) for finding, rows in here.items()}
    overall = _mean_of_held(list(drawn.values()))
    patients = np.array([case.patient_id for case in cases])
    for finding, rows in here.items():
        drawn[finding][:] = np.nan if len(set(patients[rows])) < 2 else drawn[finding]
    overall[:] = np.nan if len(set(patients)) < 2 else overall
    counts = {finding: int(rows.sum()) for finding, rows in here.items()}
    return Scores(
        {**means, MEAN: np.mean(list(means.values()), axis=0)},
        {**drawn, MEAN: overall},
        {**counts, MEAN: len(cases)},
    )


def compare(one: Scores, other: Scores) -> Difference:
    """`one` less `other` in mean IoU, on the same draws of patients."""
    value = one.mean_iou - other.mean_iou
    drawn = one.replicates[MEAN][:, _IOU] - other.replicates[MEAN][:, _IOU]
    return Difference(value, *_interval(drawn))


def entries(
    scores: Mapping[tuple[str, str], Scores], leads: Mapping[tuple[str, str], Difference]
) -> pd.DataFrame:
    """Scores by member and method, and their leads over the bar, as a table of `LOCALISATION`."""
    rows = []
    for (member, method), one in scores.items():
        for finding, values in one.means.items():
            drawn, n = one.replicates[finding], one.cases[finding]
            for place, measure in enumerate(MEASURES):
                low, high = _interval(drawn[:, place])
                rows.append((member, method, finding, measure, values[place], low, high, n))
        lead, n = leads[member, method], one.cases[MEAN]
        rows.append((member, method, MEAN, "lead", lead.value, lead.low, lead.high, n))
    return pd.DataFrame(rows, columns=LOCALISATION.names)


def _drawn(
    values: Float[np.ndarray, "n m"], weights: Float[np.ndarray, "n r"]
) -> Float[np.ndarray, "r m"]:
    total = weights.sum(axis=0)[:, None]
    sums = weights.T @ values
    return ratio(sums, np.broadcast_to(total, sums.shape))


def _mean_of_held(drawn: list[Float[np.ndarray, "r m"]]) -> Float[np.ndarray, "r m"]:
    stack = np.stack(drawn)
    known = ~np.isnan(stack)
    held = known.sum(axis=0)
    sums = np.where(known, stack, 0).sum(axis=0)
    return ratio(sums, held)


def _interval(drawn: Float[np.ndarray, " r"]) -> tuple[float, float]:
    known = drawn[~np.isnan(drawn)]
    return percentile_interval(known) if len(known) else (np.nan, np.nan)
