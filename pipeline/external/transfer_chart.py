"""AUROCs on a cohort beside the model's own."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.results.evaluation.scores import MEAN
from pipeline.results.report.charts import BLUE, FAINT, GREY, STYLE, label, svg

_APART = 0.17
"""Of a row, between its two marks and its middle."""


def transfer_chart(table: pd.DataFrame) -> str:
    """Two marks with their intervals for each finding, as SVG: here, and on the own test images.

    Args:
        table: columns `pipeline.external.transfer.COLUMNS`.
    """
    names = [
        f"mean of {len(table) - 1}" if one == MEAN else label(one) for one in table["finding"]
    ]
    rows = np.arange(len(table))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.6, 0.9 + 0.34 * len(table)), layout="constrained")
        axes = figure.subplots()
        axes.hlines(rows, 0, 1, color=FAINT, linewidth=0.7, zorder=0)
        axes.axvline(0.5, color=GREY, linewidth=0.8, linestyle=":")
        for ends, said, marker, colour, shift in (
            (("own_auroc", "own_low", "own_high"), "the model's own test images", "o", GREY, -1),
            (("auroc", "low", "high"), "this cohort", "D", BLUE, 1),
        ):
            values, low, high = (table[end].to_numpy(float) for end in ends)
            at = rows + shift * _APART
            axes.hlines(at, low, high, color=colour, linewidth=2)
            axes.scatter(values, at, s=30, marker=marker, c=colour, label=said, zorder=3)
        drawn = table[["auroc", "low", "high", "own_auroc", "own_low", "own_high"]]
        least, most = np.nanmin(drawn.to_numpy(float)), np.nanmax(drawn.to_numpy(float))
        axes.set_xlim(min(0.45, least - 0.02), min(1.005, most + 0.02))
        axes.set_yticks(rows, names)
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.set_xlabel("AUROC, 95 % intervals (dotted line: chance)")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        figure.legend(loc="outside upper center", ncols=2)
        return svg(figure)
