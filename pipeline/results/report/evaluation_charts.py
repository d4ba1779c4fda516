"""The report's figures of one system on the test images: curves, reliability, co-occurrence."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import matplotlib as mpl
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.base.findings import FINDINGS
from pipeline.results.evaluation.calibration import calibrate, reliability
from pipeline.results.report.charts import BLUE, GREY, ORANGE, SOFT, STYLE, label, svg
from pipeline.results.report.views.evaluation_view import CalibrationRow
from pipeline.results.statistics.metrics import precision_recall_curve, roc_curve

ACROSS = 5
"""Small multiples in a row."""

_LIMITS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Where the axes of a finding's reliability may end."""

_READINGS = {"as predicted": (ORANGE, "s"), "calibrated": (BLUE, "o")}

Targets = Mapping[str, Bool[np.ndarray, " n"]]
Probs = Mapping[str, Float[np.ndarray, " n"]]


def roc_chart(targets: Targets, probs: Probs, areas: Mapping[str, float]) -> str:
    """ROC curves as small multiples, one per finding, with their `areas`."""

    def draw(axes: Axes, finding: str) -> str:
        fpr, tpr = roc_curve(targets[finding], probs[finding])
        axes.fill_between(fpr, tpr, color=BLUE, alpha=0.12, linewidth=0)
        axes.plot(fpr, tpr, color=BLUE, linewidth=1.4)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
        return f"area {areas[finding]:.3f}, {int(targets[finding].sum())} positive"

    return _multiples(list(targets), draw, "false positive rate", "true positive rate")


def precision_recall_chart(targets: Targets, probs: Probs, areas: Mapping[str, float]) -> str:
    """Precision by recall as small multiples, with the average precisions, `areas`."""

    def draw(axes: Axes, finding: str) -> str:
        recall, precision = precision_recall_curve(targets[finding], probs[finding])
        recall, precision = np.append(0.0, recall), np.append(precision[0], precision)
        axes.fill_between(recall, precision, step="pre", color=BLUE, alpha=0.12, linewidth=0)
        axes.plot(recall, precision, color=BLUE, linewidth=1.4, drawstyle="steps-pre")
        chance = float(targets[finding].mean())
        axes.axhline(chance, color=GREY, linewidth=0.8, linestyle=":")
        return f"AP {areas[finding]:.3f}, dotted {chance:.3f}"

    return _multiples(list(targets), draw, "recall", "precision")


def reliability_chart(targets: Targets, probs: Probs, rows: Sequence[CalibrationRow]) -> str:
    """Share of positives by mean probability, before and after calibration where it is fitted."""
    lines = {row.finding: row for row in rows}

    def draw(axes: Axes, finding: str) -> str:
        row = lines[finding]
        curves = {"as predicted": reliability(probs[finding], targets[finding])}
        if row.line.fitted:
            moved = calibrate(probs[finding], row.line).astype(np.float32)
            curves["calibrated"] = reliability(moved, targets[finding])
        for name, curve in curves.items():
            colour, marker = _READINGS[name]
            x, y = curve["predicted"], curve["observed"]
            axes.plot(x, y, color=colour, marker=marker, markersize=3, linewidth=1.2, label=name)
        highest = max(float(one[["predicted", "observed"]].max().max()) for one in curves.values())
        _square(axes, next((limit for limit in _LIMITS if highest <= limit), 1.0))
        after = f" → {row.ece_calibrated:.3f}" if row.line.fitted else ", not fitted"
        return f"ECE {row.ece:.3f}{after}"

    ends = ("mean probability of a tenth of the images", "share of them that is positive")
    return _multiples(list(targets), draw, *ends, legend=True)


def _square(axes: Axes, limit: float) -> None:
    axes.plot([0, limit], [0, limit], color=GREY, linewidth=0.8, linestyle=":")
    ticks = (0, limit / 2, limit)
    axes.set(xlim=(0, limit), ylim=(0, limit), xticks=ticks, yticks=ticks)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")


def _multiples(
    findings: Sequence[str],
    draw: Callable[[Axes, str], str],
    xlabel: str,
    ylabel: str,
    *,
    legend: bool = False,
) -> str:
    """A square for each finding; `draw` fills it, and returns what stands below its title.

    What is around the squares has the same size on every page, so that it is given, in inches:
    Matplotlib takes as long to find it out as to draw everything.
    """
    rows = -(-len(findings) // ACROSS)
    side, left, right, top, bottom = 1.26, 0.52, 0.1, 0.42 + 0.25 * legend, 0.52
    across, down = 0.42, 0.64  # from one square to the next
    width = left + ACROSS * side + (ACROSS - 1) * across + right
    height = top + rows * side + (rows - 1) * down + bottom
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        figure.subplots_adjust(
            left / width, bottom / height, 1 - right / width, 1 - top / height,
            wspace=across / side, hspace=down / side,
        )  # fmt: skip
        grid = figure.subplots(rows, ACROSS, squeeze=False)
        for axes in grid.flat[len(findings) :]:
            axes.set_axis_off()
        for axes, finding in zip(grid.flat, findings, strict=False):
            _titled(axes, label(finding), partial(draw, axes, finding))
        figure.supxlabel(xlabel, y=0.05 / height, va="bottom", fontsize=9)
        figure.supylabel(ylabel, x=0.05 / width, ha="left", fontsize=9)
        if legend:
            named = _handles(grid.flat)
            figure.legend(named.values(), named, loc="upper center", ncols=len(named))
        return svg(figure)


def _titled(axes: Axes, title: str, fill: Callable[[], str]) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), aspect=1)
    axes.tick_params(labelsize=7)
    axes.set_title(title, loc="left", pad=14)
    below = axes.annotate(
        fill(), (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
        fontsize=7, color=SOFT,
    )  # fmt: skip
    below.set_in_layout(False)  # or a long one would make its whole column narrow


def _handles(panels: Iterable[Axes]) -> dict[str, Artist]:
    """What any panel has in its legend, by name."""
    return {
        name: handle
        for axes in panels
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }


def cooccurrence_chart(table: pd.DataFrame) -> str:
    """Calls beside labels: of the images of each label (row), the percentage of each finding.

    Args:
        table: of `pipeline.results.evaluation.cooccurrence`.
    """
    largest = table.groupby("actual", sort=False)["images"].max()
    images = {str(name): int(count) for name, count in largest.items()}
    called = [name for name in FINDINGS if name in set(table["called"])]
    with mpl.rc_context(STYLE | {"font.size": 7}):
        figure = Figure(figsize=(8.6, 1.2 + 0.2 * len(images)), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (column, title) in zip(
            panels, {"share": "called", "labelled": "labelled"}.items(), strict=True
        ):
            shares = table.pivot_table(index="actual", columns="called", values=column)
            _heatmap(axes, shares.loc[list(images), called].to_numpy(float))
            axes.set_title(f"% {title} with the finding of the column", loc="left")
            axes.set_xticks(range(len(called)), [label(name) for name in called], rotation=90)
            axes.set_yticks(
                range(len(images)), [f"{label(name)} ({n:,})" for name, n in images.items()]
            )
        panels[0].set_ylabel("of the images labelled (how many)")
        return svg(figure)


def _heatmap(axes: Axes, shares: Float[np.ndarray, "rows columns"]) -> None:
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > 0.55 else "black"
        text = "" if np.isnan(share) else f"{100 * share:.0f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
