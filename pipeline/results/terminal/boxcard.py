"""Boxes against the radiologists' as text that fits a terminal."""

from typing import Any

import pandas as pd

from pipeline.results.localisation.box_measures import MEAN
from pipeline.results.localisation.methods import BASELINE, NOISE
from pipeline.results.terminal.aligned import aligned
from pipeline.results.terminal.spans import gained, within
from pipeline.results.terminal.summary import by_iou

Metrics = dict[str, Any]

_HEAD = (
    "", "cases", "mean IoU", "T(IoU) .1", ".3", ".5", ".7", "T(IoBB) .25", ".5", ".75", "pointing",
    "nowhere",
)  # fmt: skip
_SHARES = (
    "t_iou.0.1", "t_iou.0.3", "t_iou.0.5", "t_iou.0.7", "t_iobb.0.25", "t_iobb.0.5",
    "t_iobb.0.75", "pointing", "empty_rate",
)  # fmt: skip

_NOTE = """\
T(IoU): share of cases with a greater IoU. T(IoBB): with a greater share of the drawn box in the
true one. pointing: the box's centre, of a heatmap its maximum, is in a true box. nowhere: no box,
or the whole image. The mean is over findings. Intervals: bootstrap over patients (percentile)."""

_BASELINES = """\
centre_box: half the image's sides, in its middle. constant_box, per_finding_box: the best single
box for all findings, or for each, fitted on the true boxes of other patients."""

_NOISE = "random_map: maps of random numbers, cut as the heatmaps are."


def boxcard(table: pd.DataFrame, metrics: Metrics, subject: str) -> str:
    """The measures of one file by finding, and the means of all beside it.

    Args:
        table: schema LOCALISATION.
        metrics: of the same: `systems`, as metrics/methods.json, and `delta` if there are others.
        subject: the file's name.
    """
    rows = table[table["member"].eq(subject)]
    findings = [name for name in rows["finding"].unique() if name != MEAN]
    names = {name: name.replace("_", " ") for name in findings} | {
        MEAN: f"mean of {len(findings)}"
    }
    lines = [_row(rows[rows["finding"].eq(name)], said) for name, said in names.items()]
    shown = {
        f"{member}.{method}" if member == BASELINE else member: findings[MEAN]
        for member, methods in metrics["systems"].items()
        for method, findings in methods.items()
    }
    has_noise = NOISE in metrics["systems"][BASELINE]
    baselines = f"{_BASELINES}\n{_NOISE}" if has_noise else _BASELINES
    parts = [
        "\n".join([f"{subject} against the radiologists' boxes", aligned([_HEAD, *lines]), _NOTE]),
        "\n".join([by_iou(shown, head="beside boxes without an image"), baselines]),
        "\n".join(_difference(pair, one) for pair, one in metrics.get("delta", {}).items()),
    ]
    return "\n\n".join(part for part in parts if part)


def _row(rows: pd.DataFrame, name: str) -> tuple[str, ...]:
    by = {row["measure"]: row for row in rows.to_dict("records")}
    iou = by["iou"]
    ends = [None if pd.isna(iou[end]) else iou[end] for end in ("low", "high")]
    shares = (f"{by[measure]['value']:.3f}" for measure in _SHARES)
    return (name, f"{iou['n']:,}", within(iou["value"], *ends), *shares)


def _difference(pair: str, one: Metrics) -> str:
    return f"{pair}, mean IoU, paired: {gained(one['value'], one.get('low'), one.get('high'))}"
