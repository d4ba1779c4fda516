"""Two runs beside each other: what differs in their settings, and in what they reached."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.base.findings import FINDINGS
from pipeline.base.members import STUDIED
from pipeline.results.beside.revision_files import RunFiles
from pipeline.results.evaluation.score_tables import comparison_rows
from pipeline.results.evaluation.scores import MEAN, hold_out, labelled
from pipeline.results.evaluation.standalone import only_test
from pipeline.results.localisation.methods import BASELINE, spoken
from pipeline.results.report.report import system_order
from pipeline.results.report.verdict import best_map, best_without_image
from pipeline.results.report.views.box_table import Estimate, estimate_of
from pipeline.results.report.views.evaluation_view import Difference, studied_pairs

SUBJECT = "ensemble"

_ABSENT = "–"


class Change(NamedTuple):
    """A param that differs."""

    name: str
    this: Any
    other: Any


class FindingRow(NamedTuple):
    """A finding's AUROCs by both ensembles."""

    finding: str
    this: float | None
    other: float | None
    difference: Difference | None
    """Paired, of this less the other; None where the test images differ."""


class BothRow(NamedTuple):
    """A figure of both runs."""

    name: str
    this: Estimate | None
    other: Estimate | None


class TwoRuns(NamedTuple):
    """What the page shows."""

    changes: list[Change]
    findings: list[FindingRow]
    """The mean comes last."""
    paired: bool
    same: bool
    """Both ensembles say the same of every test image."""
    systems: list[BothRow]
    """Mean AUROCs."""
    maps: list[BothRow]
    """Mean IoUs of heatmaps, crops and boxes without an image."""


def compare_runs(
    this: RunFiles, other: RunFiles, *, replicates: int, min_patients: int, seed: int
) -> TwoRuns:
    """Set two runs beside each other.

    Args:
        this: the run under study.
        other: the one that it is compared with.
        replicates: of the bootstrap over patients.
        min_patients: with and without a finding, behind an interval.
        seed: of the bootstrap.
    """
    differences: dict[str, Difference] = {}
    if same_test_images(this, other):
        differences = _differences(this, other, replicates, min_patients, seed)
    return TwoRuns(
        [
            Change(name, this.params.get(name, _ABSENT), other.params.get(name, _ABSENT))
            for name in dict.fromkeys([*this.params, *other.params])
            if this.params.get(name, _ABSENT) != other.params.get(name, _ABSENT)
        ],
        [
            FindingRow(one, _auroc(this, one), _auroc(other, one), differences.get(one))
            for one in (*FINDINGS, MEAN)
        ],
        bool(differences),
        bool(differences) and only_test(this.ensemble).equals(only_test(other.ensemble)),
        _both(_mean_aurocs(this.systems), _mean_aurocs(other.systems)),
        _both(_mean_ious(this.methods), _mean_ious(other.methods)),
    )


def same_test_images(this: RunFiles, other: RunFiles) -> bool:
    """Whether both were judged on the same images, patients and labels."""
    columns = ["image_index", "patient_id", *FINDINGS]
    tests = [
        only_test(run.ensemble)[["image_index"]].merge(run.images[columns], on="image_index")
        for run in (this, other)
    ]
    return bool(tests[0].equals(tests[1]))


def _differences(
    this: RunFiles, other: RunFiles, replicates: int, min_patients: int, seed: int
) -> dict[str, Difference]:
    test = only_test(this.ensemble)
    systems = {"this": test, "other": only_test(other.ensemble)}
    held = hold_out(
        systems,
        labelled(test, this.images, split="test"),
        replicates=replicates,
        min_patients=min_patients,
        seed=seed,
    )
    table = comparison_rows(held.scores, [("this", "other")])
    (pair,) = studied_pairs(table, subject="this", member="")
    return pair.differences


def _auroc(run: RunFiles, finding: str) -> float | None:
    entry = run.systems[SUBJECT]
    found: float | None = entry["mean_auroc"] if finding == MEAN else entry["auroc"].get(finding)
    return found


def _both(this: Mapping[str, Estimate], other: Mapping[str, Estimate]) -> list[BothRow]:
    names = dict.fromkeys([*this, *other])
    return [BothRow(name, this.get(name), other.get(name)) for name in names]


def _mean_aurocs(systems: Mapping[str, Any]) -> dict[str, Estimate]:
    order = system_order(dict(systems), STUDIED)
    return {name: estimate_of(systems[name], "mean_auroc") for name in order}


def _mean_ious(methods: dict[str, Any]) -> dict[str, Estimate]:
    """Of each member its heatmaps and crops; the best heatmap and the best box come first."""
    best = best_map(methods)
    if best is None:
        return {}
    owner, method = best
    box = methods[BASELINE][best_without_image(methods)]
    firsts = {
        "best heatmap": estimate_of(methods[owner][method]["mean"], "iou"),
        "best box without an image": estimate_of(box["mean"], "iou"),
    }
    return firsts | {
        f"{name} {spoken(one)}": estimate_of(entry["mean"], "iou")
        for name, entries in methods.items()
        for one, entry in entries.items()
    }
