"""Every system against the labels: tables, plots, and the numbers that stand for them."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from pipeline.base.findings import FINDINGS
from pipeline.base.members import NOT_MEMBERS
from pipeline.base.seeds import derive_seed
from pipeline.errors import ArtifactError, CohortError
from pipeline.params.sections import EvaluateParams
from pipeline.results.evaluation.baselines import floors
from pipeline.results.evaluation.calibration_errors import warn_of_worse
from pipeline.results.evaluation.cooccurrence import cooccurrence
from pipeline.results.evaluation.curve_points import (
    auroc_points,
    curve_points,
    reliability_points,
)
from pipeline.results.evaluation.digest import digest
from pipeline.results.evaluation.files.systems import FLOORS, Systems, aligned
from pipeline.results.evaluation.reading import read_out
from pipeline.results.evaluation.score_tables import compared, comparison_rows, score_rows
from pipeline.results.evaluation.scores import HeldOut, LabelledSet, hold_out, labelled
from pipeline.results.evaluation.subgroups import score_subgroups

log = logging.getLogger(__name__)

Metrics = dict[str, Any]


class Evaluation(NamedTuple):
    """What the stage writes."""

    metrics: Metrics
    """Of metrics/systems.json."""
    tables: dict[str, pd.DataFrame]
    """By the names of `pipeline.results.evaluation.files.evaluations.SCHEMAS`."""
    plots: dict[str, pd.DataFrame]
    """`roc`, `pr`, `auroc`, `reliability` and `cooccurrence`."""
    calibrated: Systems
    """Predictions that mean what they say, as far as the validation images tell."""


def evaluate(
    systems: Systems,
    index: pd.DataFrame,
    splits: pd.DataFrame,
    ceiling: Metrics,
    params: EvaluateParams,
    *,
    subject: str,
    voters: Sequence[str] = (),
    seed: int,
) -> Evaluation:
    """Score the systems and the floors on the held-out images.

    Args:
        systems: predictions by name; `<member>.<branch>`, `ensemble` or any other.
        index: labels, patients and metadata (schema INDEX, without what concerns the pixels).
        splits: of every image (schema SPLITS); says what the metadata floor is fitted on.
        ceiling: best AUROC that the labels allow, `{"auroc": {finding: value}}`; `{}` if unknown.
        params: section `evaluate`.
        subject: the system that is looked at closely: subgroups, curves, co-occurrence.
        voters: the systems that the ensemble is the vote of.
        seed: of the bootstrap and of the floor of shuffled predictions.

    Raises:
        ArtifactError: the systems' images differ, or are not the splits' held-out ones; or one
            has a name that stands for something else in the metrics.
        CohortError: no finding has both classes among the test images.
    """
    _expect_free_names(systems)
    chance = derive_seed(seed, "floors")
    frames = aligned(systems | floors(systems[subject], index, splits, seed=chance))
    test, val = (_held_out(frames, index, split, params, seed=seed) for split in ("test", "val"))
    _expect_findings(test.images)
    reading = read_out(
        {name: frames[name] for name in systems}, val.images, test.images, test.counts, params
    )
    warn_of_worse(reading.calibration)
    groups = score_subgroups(
        frames[subject],
        test.images,
        index,
        test.counts,
        min_cell=params.min_cell,
        min_patients=params.min_patients,
    )
    tables = {
        "scores": score_rows({"test": test, "val": val}),
        "comparisons": comparison_rows(test.scores, compared(list(systems), voters, val.scores)),
        "calibration": reading.calibration,
        "thresholds": reading.thresholds,
        "subgroups": groups.cells,
        "gaps": groups.gaps,
    }
    shown = [subject, *(name for name in FLOORS if name in frames)]
    plots = {
        **curve_points(frames[subject], test.images),
        "auroc": auroc_points(tables["scores"], shown),
        "reliability": reliability_points(
            frames[subject], reading.calibrated.get(subject), test.images
        ),
        "cooccurrence": cooccurrence(reading.calls[subject], test.images),
    }
    metrics = digest(tables, test.images, val.images, ceiling)
    return Evaluation(metrics, tables, plots, reading.calibrated)


def _held_out(
    frames: Systems, index: pd.DataFrame, split: str, params: EvaluateParams, *, seed: int
) -> HeldOut:
    some = next(iter(frames.values()))
    held = hold_out(
        frames,
        labelled(some, index, split=split),
        replicates=params.bootstrap,
        min_patients=params.min_patients,
        seed=seed,
    )
    excluded = held.images.excluded
    if excluded and len(held.images.image_index):
        log.warning(
            "%d of %d findings are not predicted, or lack known labels of both classes among the "
            "%s images, and are left out: %s",
            len(excluded), len(FINDINGS), split, ", ".join(excluded),
        )  # fmt: skip
    return held


def _expect_findings(test: LabelledSet) -> None:
    if not test.targets:
        raise CohortError(
            f"no finding has positives and negatives among the {len(test.image_index)} predicted "
            "test images, so there is no AUROC to report"
        )


def _expect_free_names(systems: Systems) -> None:
    taken = sorted(set(systems) & {*FLOORS, *NOT_MEMBERS})
    if taken:
        raise ArtifactError(
            f"a system may not be called {', '.join(taken)}: that is something else in the "
            "metrics; rename it"
        )
