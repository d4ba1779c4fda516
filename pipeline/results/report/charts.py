"""The report's figures: SVG, drawn without global state, the same bytes on every run."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.base.findings import FINDINGS
from pipeline.capsnet.reconstructions import Reconstruction
from pipeline.results.report.numerals import p_value, signed
from pipeline.results.report.views.box_table import Estimate
from pipeline.results.report.views.kept_epochs import kept_row

# Okabe and Ito's colours, told apart by every kind of colour vision; markers double them.
BLUE, GREEN, ORANGE, PURPLE, RED = "#0072B2", "#009E73", "#E69F00", "#CC79A7", "#D55E00"
INK, GREY, FAINT, SOFT, PAPER = "#222222", "#8a8a8a", "#dddddd", "#666666", "#fffffe"
MEMBER_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED)

_DARK = {INK: "#e6e9ec", FAINT: "#363d45", SOFT: "#a3adb7", PAPER: "#15181c"}
"""What stands for a colour where a dark page is preferred; all others suit both."""

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "report",
    "font.size": 9,
    "text.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 9,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


_LEGEND = 120
"""Letters that fit beside each other above a chart."""


class Marks(NamedTuple):
    """How a system is drawn in the plot of findings."""

    label: str
    marker: str
    colour: str
    size: float


MARKS: dict[str, Marks] = {
    "global": Marks("global branch", "o", PURPLE, 28),
    "local": Marks("local branch", "^", ORANGE, 30),
    "fusion": Marks("fusion", "s", GREEN, 28),
    "ensemble": Marks("ensemble", "D", BLUE, 40),
    "metadata_only": Marks("metadata only (no image)", "x", GREY, 34),
    "ceiling": Marks("ceiling (best the labels allow)", "|", INK, 130),
}


def findings_chart(
    systems: Mapping[str, Mapping[str, float]], intervals: Mapping[str, Estimate]
) -> str:
    """AUROC of each finding as one row of marks, and of one system as a bar.

    Args:
        systems: AUROCs by a key of `MARKS`, then by finding.
        intervals: of the ensemble, by finding.
    """
    findings = [name for name in FINDINGS if any(name in one for one in systems.values())]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.6, 0.7 + 0.3 * len(findings)), layout="constrained")
        axes = figure.subplots()
        rows = np.arange(len(findings))
        axes.hlines(rows, 0, 1, color=FAINT, linewidth=0.7, zorder=0)
        axes.axvline(0.5, color=GREY, linewidth=0.8, linestyle=":")
        for name, aurocs in systems.items():
            mark = MARKS[name]
            x = [aurocs.get(finding, np.nan) for finding in findings]
            axes.scatter(x, rows, s=mark.size, marker=mark.marker, c=mark.colour, label=mark.label)
        ends = _interval_bars(axes, {findings.index(name): intervals[name] for name in intervals})
        axes.set_yticks(rows, [label(finding) for finding in findings])
        axes.set_ylim(len(findings) - 0.5, -0.5)
        axes.set_xlim(
            _auroc_range([*ends, *(v for one in systems.values() for v in one.values())])
        )
        axes.set_xlabel("test AUROC (dotted line: chance)")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        figure.legend(loc="outside upper center", ncols=3)
        return svg(figure)


def _interval_bars(axes: Axes, intervals: Mapping[int, Estimate]) -> list[float]:
    """Draws those that there are, and returns their ends."""
    bars = [(row, e.low, e.high) for row, e in intervals.items() if e.low is not None]
    if bars:
        rows, low, high = zip(*bars, strict=True)
        colour, name = MARKS["ensemble"].colour, "ensemble, 95 % interval"
        axes.hlines(rows, low, high, colour, label=name, linewidth=5, alpha=0.22, zorder=0.5)
    return [end for _, *ends in bars for end in ends if end is not None]


def _auroc_range(values: Sequence[float]) -> tuple[float, float]:
    return min(0.45, min(values) - 0.02), min(1.005, max(values) + 0.03)


def differences_chart(differences: Mapping[str, Mapping[str, float]]) -> str:
    """Paired differences in mean AUROC with intervals and p-values, around a line at nought."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.6, 0.8 + 0.34 * len(differences)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color=GREY, linewidth=1)
        for row, one in enumerate(differences.values()):
            _difference(axes, row, one)
        axes.set_yticks(range(len(differences)), [name.replace("-", "−") for name in differences])
        axes.set_ylim(len(differences) - 0.5, -0.6)
        axes.set_xlabel("difference in mean test AUROC (right: the first one is better)")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        return svg(figure)


def _difference(axes: Axes, row: int, one: Mapping[str, float]) -> None:
    centre, low, high = (one.get(k, one["mean_auroc"]) for k in ("mean_auroc", "low", "high"))
    colour = GREY if "low" not in one else GREEN if low > 0 else RED if high < 0 else GREY
    axes.plot([low, high], [row, row], color=colour, linewidth=2.2, solid_capstyle="butt")
    axes.scatter([centre], [row], color=colour, s=34, zorder=3)
    axes.annotate(
        signed(centre), (centre, row), (0, 7), textcoords="offset points",
        ha="center", color=INK, fontsize=8,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6},
    )  # fmt: skip
    if "p" in one:
        axes.annotate(
            f"p {p_value(one['p'])}", (1.02, row), xycoords=("axes fraction", "data"),
            va="center", color=INK, fontsize=8,
        )  # fmt: skip


def curves_chart(curves: Mapping[str, pd.DataFrame]) -> str:
    """Loss and validation AUROC by epoch, a ring at the kept one; a colour per member."""
    names = [name.partition(".") for name in curves]
    branches = list(dict.fromkeys(branch for _, _, branch in names))
    members = list(dict.fromkeys(member for member, _, _ in names))
    colours = dict(zip(members, member_colours(len(members)), strict=True))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.6, 4.6), layout="constrained")
        grid = figure.subplots(2, len(branches), sharex="col", sharey="row", squeeze=False)
        for member, _, branch in names:
            column = branches.index(branch)
            _curve(grid[:, column], curves[f"{member}.{branch}"], colours[member], member)
        for column, branch in enumerate(branches):
            grid[0, column].set_title(branch, loc="left")
            grid[1, column].set_xlabel("epoch")
            longest = max(len(one) for name, one in curves.items() if name.endswith(f".{branch}"))
            grid[1, column].set_xlim(0.5, longest + 0.5)
        grid[0, 0].set_ylabel("loss (dashed: training)")
        grid[1, 0].set_ylabel("validation AUROC")
        handles, labels = grid[1, 0].get_legend_handles_labels()
        across = max(_LEGEND // (max(map(len, members)) + 8), 1)  # letters, and the marker's eight
        figure.legend(handles, labels, loc="outside upper right", ncols=min(len(members), across))
        return svg(figure)


def reconstructions_chart(examples: Sequence[Reconstruction]) -> str:
    """Radiographs of 28 x 28 pixels in the first row, what their capsules drew in the second."""
    with mpl.rc_context(STYLE | {"font.size": 7}):
        figure = Figure(figsize=(8.6, 1.75), layout="constrained")
        grid = figure.subplots(2, max(len(examples), 1), squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for (above, below), one in zip(grid.T, examples, strict=False):
            above.set_title(label(one.finding).replace(" ", "\n"), fontsize=6)
            for axes, image in ((above, one.image), (below, one.decoded)):
                axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        return svg(figure)


def member_colours(members: int) -> list[str]:
    """A colour for each; beyond the few that anyone can tell apart, a rainbow of equal steps."""
    if members <= len(MEMBER_COLOURS):
        return list(MEMBER_COLOURS[:members])
    steps = np.linspace(0.03, 0.97, members)  # the ends of the map are nearly black
    return [mpl.colors.to_hex(colour) for colour in mpl.colormaps["turbo"](steps)]


def _curve(column: np.ndarray, curve: pd.DataFrame, colour: str, member: str) -> None:
    marker = "." if len(curve) <= 30 else None
    loss, area = column
    loss.plot(curve["epoch"], curve["train_loss"], color=colour, linestyle="--", linewidth=1)
    loss.plot(curve["epoch"], curve["val_loss"], color=colour, linewidth=1.4, marker=marker)
    area.plot(
        curve["epoch"],
        curve["val_auroc"],
        color=colour,
        linewidth=1.4,
        marker=marker,
        label=member,
    )
    kept = kept_row(curve)
    for axes, name in ((loss, "val_loss"), (area, "val_auroc")):
        axes.scatter(
            [kept["epoch"]], [kept[name]], s=70, facecolors="none", edgecolors=colour, zorder=3
        )
    area.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def label(finding: str) -> str:
    """A finding's name as prose."""
    return finding.replace("_", " ")


def svg(figure: Figure) -> str:
    """The figure as text, without what changes from run to run; it follows the page's scheme."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    for colour in _DARK:
        text = text.replace(f": {colour}", f": var(--c{colour[1:]})")
    return text.replace("</style>", f"{_schemes()}</style>", 1)


def _schemes() -> str:
    light, dark = (
        "".join(f"--c{colour[1:]}:{shown};" for colour, shown in pairs.items())
        for pairs in ({colour: colour for colour in _DARK}, _DARK)
    )
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
