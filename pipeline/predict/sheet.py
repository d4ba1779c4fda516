"""A prediction as a picture: the radiograph, heatmaps with boxes, and probabilities."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

RESEARCH_ONLY = "Research use only. Not a medical device."

_BOX, _CROP = "#56B4E9", "#F0E442"  # of Okabe and Ito's colours, those that show on a heatmap
_INK, _GREY, _FAINT, _CALLED = "#222222", "#8a8a8a", "#e6e6e6", "#D55E00"
_OPACITY = 0.6
_LETTERS_A_LINE = 150


@dataclass(frozen=True)
class Panel:
    """A finding's heatmap on the radiograph."""

    title: str
    is_called: bool
    heatmap: Float[np.ndarray, "s s"]
    """In [0, 1]."""
    box: Float[np.ndarray, "4"] | None
    """xyxy, fractions of the image; None where the heatmap says nothing."""


@dataclass(frozen=True)
class Bar:
    """A finding's calibrated probability."""

    name: str
    is_called: bool
    probability: float
    threshold: float | None
    above: float
    """The share of validation images with a lower one."""


@dataclass(frozen=True)
class Sheet:
    """What is drawn of a radiograph."""

    image: UInt8[np.ndarray, "s s"]
    patient: str
    crops: Float[np.ndarray, "k 4"]
    """xyxy, fractions of the image."""
    panels: Sequence[Panel]
    """One to three."""
    bars: Sequence[Bar]
    warnings: Sequence[str]
    notes: Sequence[str]


def draw_sheet(sheet: Sheet) -> UInt8[np.ndarray, "h w 3"]:
    """The radiograph with its crops, heatmaps with their boxes, and all probabilities."""
    figure = Figure(figsize=(13, 7.6), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        2, 2, left=0.01, right=0.57, top=0.955, bottom=0.14, wspace=0.02, hspace=0.1
    )
    axes = [figure.add_subplot(grid[at // 2, at % 2]) for at in range(1 + len(sheet.panels))]
    _show(axes[0], sheet.image)
    for box in sheet.crops:
        _rectangle(axes[0], sheet, box, _CROP, "--")
    axes[0].set_title(f"Radiograph: {sheet.patient}", fontsize=9, color=_INK)
    for one, panel in zip(axes[1:], sheet.panels, strict=True):
        _heatmap(one, sheet, panel)
    _bars(figure.add_axes((0.7, 0.14, 0.19, 0.77)), sheet.bars)
    _legend(figure)
    _said(figure, sheet)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[:, :, :3])


def _heatmap(axes: Axes, sheet: Sheet, panel: Panel) -> None:
    _show(axes, sheet.image)
    heat = panel.heatmap
    axes.imshow(
        heat, cmap="inferno", vmin=0, vmax=1, alpha=_OPACITY * heat, extent=(0, 1, 1, 0)
    )  # fmt: skip
    if panel.box is None:
        axes.text(0.5, 0.97, "the heatmap says nothing", color=_BOX, fontsize=9, ha="center")
    else:
        _rectangle(axes, sheet, panel.box, _BOX, "-")
    colour, weight = (_CALLED, "bold") if panel.is_called else (_INK, "normal")
    axes.set_title(panel.title, fontsize=9, color=colour, fontweight=weight)


def _show(axes: Axes, image: UInt8[np.ndarray, "s s"]) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, extent=(0, 1, 1, 0))
    axes.set_axis_off()


def _rectangle(
    axes: Axes, sheet: Sheet, box: Float[np.ndarray, "4"], colour: str, style: str
) -> None:
    inset = 1 / sheet.image.shape[0]  # so that an edge on the image's edge is seen
    x1, y1, x2, y2 = np.clip(box, inset, 1 - inset)
    corner, width, height = (x1, y1), x2 - x1, y2 - y1
    axes.add_patch(
        Rectangle(corner, width, height, fill=False, edgecolor=colour, linestyle=style, lw=1.6)
    )


def _bars(axes: Axes, bars: Sequence[Bar]) -> None:
    rows = np.arange(len(bars))
    colours = [_CALLED if one.is_called else _GREY for one in bars]
    axes.barh(rows, [one.probability for one in bars], color=colours, height=0.62)
    limits = {row: one.threshold for row, one in enumerate(bars) if one.threshold is not None}
    axes.vlines(
        [*limits.values()], [row - 0.42 for row in limits], [row + 0.42 for row in limits],
        color=_INK, linewidth=1.6,
    )  # fmt: skip
    end = max([*(one.probability for one in bars), *limits.values(), 0.05])
    for row, one in enumerate(bars):
        text = f"{one.probability:.2f}   {one.above:>4.0%}"
        axes.text(1.03, row, text, fontsize=8, va="center", color=_INK,
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_xlim(0, min(1, 1.05 * end))
    axes.set_yticks(rows, [one.name for one in bars], fontsize=9)
    for label, one in zip(axes.get_yticklabels(), bars, strict=True):
        label.set_fontweight("bold" if one.is_called else "normal")
    axes.invert_yaxis()
    axes.set_title(
        "Calibrated probability, and the share of\nvalidation images with a lower one",
        fontsize=9, color=_INK,
    )  # fmt: skip
    axes.tick_params(length=0, labelcolor=_INK)
    axes.grid(visible=True, axis="x", color=_FAINT)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _legend(figure: Figure) -> None:
    marks = [
        Line2D([], [], color=_CROP, linestyle="--", label="what the local branch sees"),
        Line2D([], [], color=_BOX, label="where the heatmap is high"),
        Line2D([], [], color=_INK, marker="|", linestyle="", markersize=12, label="threshold"),
        Line2D([], [], color=_CALLED, linewidth=7, label="called"),
        Line2D([], [], color=_GREY, linewidth=7, label="not called"),
    ]
    figure.legend(
        handles=marks, loc="lower left", bbox_to_anchor=(0.01, 0.085), ncols=5, fontsize=8.5,
        frameon=False, handlelength=2.4,
    )  # fmt: skip


def _said(figure: Figure, sheet: Sheet) -> None:
    warned = "; ".join(sheet.warnings)
    lines = [f"Not to be trusted, and nothing called: {warned}."] if warned else []
    lines += [f"Note: {note}." for note in sheet.notes]
    text = "\n".join(line for one in lines for line in textwrap.wrap(one, _LETTERS_A_LINE)[:2])
    figure.text(0.015, 0.075, text, fontsize=8.5, va="top", color=_CALLED if warned else _INK)
    figure.text(0.985, 0.012, RESEARCH_ONLY, fontsize=8.5, ha="right", color=_GREY)
