"""The tables' chief numbers as metrics/systems.json holds them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.results.evaluation.scores import MEAN, MEASURES, LabelledSet

Metrics = dict[str, Any]


def digest(
    tables: Mapping[str, pd.DataFrame], test: LabelledSet, val: LabelledSet, ceiling: Metrics
) -> Metrics:
    """An entry for each system, the ceiling, paired differences, and what the images are.

    Args:
        tables: of `pipeline.results.evaluation.files.evaluations`.
        test: images that the tables are of.
        val: images that calibrations are fitted on.
        ceiling: best AUROC that the labels allow, `{"auroc": {finding: value}}`; `{}` if unknown.
    """
    limits = _limits(ceiling, test)
    scores, calibration = tables["scores"], tables["calibration"]
    entries = {
        str(system): _entry(table, calibration[calibration["system"] == system], limits)
        for system, table in scores.groupby("system", sort=False)
    }
    return {
        **entries,
        **({"ceiling": {"mean_auroc": _mean(limits), "auroc": limits}} if limits else {}),
        "delta": differences(tables["comparisons"]),
        "test": _about(test) | {"prevalence": _prevalence(test)},
        "val": _about(val) | {"excluded": val.excluded},
        "excluded": test.excluded,
    }


def _limits(ceiling: Metrics, test: LabelledSet) -> dict[str, float]:
    values = ceiling.get("auroc", {})
    return {name: values[name] for name in test.targets if values.get(name) is not None}


def _entry(scores: pd.DataFrame, calibration: pd.DataFrame, limits: dict[str, float]) -> Metrics:
    entry: Metrics = {}
    for measure in MEASURES:
        table = scores[scores["split"].eq("test") & scores["measure"].eq(measure)]
        row = table[table["finding"] == MEAN].iloc[0]
        entry |= _interval(row, f"mean_{measure}")
        entry[measure] = dict(zip(table["finding"], table["value"], strict=True))
        del entry[measure][MEAN]
    of_val = scores[scores["split"].eq("val") & scores["finding"].eq(MEAN)]
    means = zip(of_val["measure"], of_val["value"], strict=True)
    entry |= {f"val_mean_{measure}": value for measure, value in means}
    if limits and _mean(limits) > 0.5:
        reached = _mean({name: entry["auroc"][name] for name in limits})
        entry["share_of_ceiling"] = (reached - 0.5) / (_mean(limits) - 0.5)
    if len(calibration):
        after = ("ece_calibrated", "val_ece", "val_ece_calibrated")
        names = ("ece", *after) if calibration["fitted"].any() else ("ece",)
        entry |= {name: float(calibration[name].mean()) for name in names}
    return entry


def _interval(row: pd.Series, name: str) -> Metrics:
    ends = {f"{name}_{end}": float(row[end]) for end in ("low", "high") if not np.isnan(row[end])}
    return {name: float(row["value"]), **ends}


def differences(comparisons: pd.DataFrame) -> Metrics:
    """Of mean AUROCs, with intervals and p-values where there are any, from `comparisons`."""
    means = comparisons[
        comparisons["finding"].eq(MEAN) & comparisons["measure"].eq("auroc")
    ].to_dict("records")
    return {
        f"{row['system']} - {row['against']}": {"mean_auroc": row["value"]}
        | {name: row[name] for name in ("low", "high", "p") if not np.isnan(row[name])}
        for row in means
    }


def _about(images: LabelledSet) -> Metrics:
    return {
        "images": len(images.image_index),
        "patients": images.patients,
        "findings": len(images.targets),
    }


def _prevalence(images: LabelledSet) -> dict[str, float]:
    return {finding: float(targets.mean()) for finding, targets in images.targets.items()}


def _mean(values: dict[str, float]) -> float:
    return float(np.mean(list(values.values())))
