"""Every system against the labels: AUROC with intervals, paired differences, curves."""

import logging
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline.errors import CohortError
from pipeline.findings import FINDINGS
from pipeline.results.baselines import metadata_only, prevalence
from pipeline.results.bootstrap import patient_counts, percentile_interval
from pipeline.results.metrics import roc_curve
from pipeline.results.scores import LabelledSet, Scores, labelled, score
from pipeline.results.systems import Systems, aligned

log = logging.getLogger(__name__)

Metrics = dict[str, Any]


class Evaluation(NamedTuple):
    """What the stage writes."""

    metrics: Metrics
    roc: pd.DataFrame
    """Columns system, finding, fpr, tpr."""
    per_finding: pd.DataFrame
    """Columns finding, system, auroc."""


def evaluate(
    systems: Systems,
    index: pd.DataFrame,
    splits: pd.DataFrame,
    ceiling: Metrics,
    *,
    replicates: int,
    seed: int,
) -> Evaluation:
    """Score the systems and the image-free baselines on the test images.

    Args:
        systems: predictions by name; `<member>.<branch>` or `ensemble`.
        index: labels, patients and metadata (schema INDEX).
        splits: of every image (schema SPLITS); says what the baselines are fitted on.
        ceiling: best AUROC that the labels allow, `{"auroc": {finding: value}}`; `{}` if unknown.
        replicates: of the bootstrap over test patients; 0 gives no intervals.
        seed: of the bootstrap.

    Raises:
        ArtifactError: the systems' images differ, or are not the index's held-out ones.
        CohortError: no finding has both classes among the test images.
    """
    baselines = {
        "metadata_only": metadata_only(index, splits),
        "prevalence": prevalence(index, splits),
    }
    frames = aligned(systems | baselines)
    images = frames["prevalence"][["image_index", "split"]]
    test, val = (labelled(images, index, split=split) for split in ("test", "val"))
    if not test.targets:
        raise CohortError(
            f"no finding has positives and negatives among the {len(test.image_index)} predicted "
            "test images, so there is no AUROC to report"
        )
    counts = patient_counts(test.patients, replicates=replicates, seed=seed)
    no_counts = np.empty((val.patients, 0))
    scores = {name: score(frame, test, counts) for name, frame in frames.items()}
    val_scores = {name: score(frame, val, no_counts) for name, frame in frames.items()}
    metrics = _metrics(scores, val_scores, test, ceiling)
    shown = {name: frame for name, frame in frames.items() if name != "prevalence"}
    return Evaluation(metrics, _roc(shown, test), _per_finding(metrics))


def _metrics(
    scores: dict[str, Scores],
    val_scores: dict[str, Scores],
    test: LabelledSet,
    ceiling: Metrics,
) -> Metrics:
    excluded = [finding for finding in FINDINGS if finding not in test.targets]
    if excluded:
        log.warning(
            "%d of %d findings have one class only among the test images and are left out: %s",
            len(excluded), len(FINDINGS), ", ".join(excluded),
        )  # fmt: skip
    limits = _ceiling_aurocs(ceiling, test)
    entries = {name: _entry(value, val_scores[name], limits) for name, value in scores.items()}
    return {
        **entries,
        **({"ceiling": {"mean_auroc": _mean(limits), "auroc": limits}} if limits else {}),
        "delta": {
            f"{name} - {other}": _difference(scores[name], scores[other])
            for name, other in compared(scores, val_scores)
        },
        "test": {
            "images": len(test.image_index),
            "patients": test.patients,
            "findings": len(test.targets),
        },
        "excluded": excluded,
    }


def _ceiling_aurocs(ceiling: Metrics, test: LabelledSet) -> dict[str, float]:
    values = ceiling.get("auroc", {})
    return {name: values[name] for name in test.targets if values.get(name) is not None}


def _entry(test: Scores, val: Scores, limits: dict[str, float]) -> Metrics:
    entry: Metrics = {"mean_auroc": test.mean_auroc} | _interval("mean_auroc_", test.replicates)
    entry |= {"mean_auprc": _mean(test.auprc), "auroc": test.auroc}
    if val.auroc:
        entry["val_mean_auroc"] = val.mean_auroc
    if limits and _mean(limits) > 0.5:
        reached = _mean({name: test.auroc[name] for name in limits})
        entry["share_of_ceiling"] = (reached - 0.5) / (_mean(limits) - 0.5)
    return entry


def _difference(one: Scores, other: Scores) -> Metrics:
    difference = one.mean_auroc - other.mean_auroc
    return {"mean_auroc": difference} | _interval("", one.replicates - other.replicates)


def _interval(prefix: str, replicates: Float[np.ndarray, " r"]) -> Metrics:
    if not len(replicates):
        return {}
    low, high = percentile_interval(replicates)
    return {f"{prefix}low": low, f"{prefix}high": high}


def compared(scores: dict[str, Scores], val_scores: dict[str, Scores]) -> list[tuple[str, str]]:
    """Which differences are reported: within each member, and the ensemble over its best one.

    The best member is chosen on validation, or the choice itself would favour it on test.
    """
    members = [name.removesuffix(".global") for name in scores if name.endswith(".global")]
    pairs = [
        (f"{member}.{branch}", f"{member}.global")
        for member in members
        for branch in ("local", "fusion")
        if f"{member}.{branch}" in scores
    ]
    fusions = sorted(
        name for name in scores if name.endswith(".fusion") and val_scores[name].auroc
    )
    if fusions and "ensemble" in scores:
        pairs.append(("ensemble", max(fusions, key=lambda name: val_scores[name].mean_auroc)))
    return pairs


def _mean(values: dict[str, float]) -> float:
    return float(np.mean(list(values.values())))


def _roc(systems: Systems, test: LabelledSet) -> pd.DataFrame:
    curves = []
    for system, frame in systems.items():
        rows = frame.set_index("image_index").loc[test.image_index]
        for finding, targets in test.targets.items():
            fpr, tpr = roc_curve(targets, rows[finding].to_numpy())
            curve = {
                "system": system,
                "finding": finding,
                "fpr": fpr.round(4),
                "tpr": tpr.round(4),
            }
            curves.append(pd.DataFrame(curve))
    return pd.concat(curves, ignore_index=True)


def _per_finding(metrics: Metrics) -> pd.DataFrame:
    systems = {name: entry["auroc"] for name, entry in metrics.items() if "auroc" in entry}
    rows = [
        (finding, system, aurocs[finding])
        for finding in FINDINGS
        for system, aurocs in systems.items()
        if finding in aurocs
    ]
    return pd.DataFrame(rows, columns=["finding", "system", "auroc"])
