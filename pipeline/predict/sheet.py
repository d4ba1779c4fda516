"""A prediction as a picture: the radiograph, heatmaps with boxes, and probabilities."""

import textwrap
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from pipeline.predict.prediction import Prediction

RESEARCH_ONLY = "Research use only. Not a medical device."

_BOX, _CROP = "#56B4E9", "#F0E442"  # of Okabe and Ito's colours, those that show on a heatmap
_INK, _GREY, _FAINT, _CALLED = "#222222", "#8a8a8a", "#e6e6e6", "#D55E00"
_OPACITY = 0.6
_LETTERS_A_LINE = 150


def draw_sheet(found: Prediction, findings: Sequence[str]) -> UInt8[np.ndarray, "h w 3"]:
    """The radiograph with its crop, a heatmap and box of each finding, and all probabilities.

    Args:
        found: what is drawn.
        findings: one to three.
    """
    figure = Figure(figsize=(13, 7.6), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        2, 2, left=0.01, right=0.57, top=0.955, bottom=0.14, wspace=0.02, hspace=0.1,
    )  # fmt: skip
    panels = [figure.add_subplot(grid[at // 2, at % 2]) for at in range(4)]
    _radiograph(panels[0], found)
    for panel, finding in zip(panels[1:], findings, strict=False):
        _heatmap(panel, found, finding)
    for panel in panels[1 + len(findings) :]:
        panel.remove()
    _bars(figure.add_axes((0.7, 0.14, 0.19, 0.77)), found)
    _legend(figure)
    _said(figure, found)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[:, :, :3])


def _radiograph(axes: Axes, found: Prediction) -> None:
    _show(axes, found.image)
    _rectangle(axes, found, found.crop_box(), _CROP, "--")
    axes.set_title(f"Radiograph: {_patient(found)}", fontsize=9, color=_INK)


def _patient(found: Prediction) -> str:
    known = found.patient
    age = None if known.age is None else f"{known.age:.0f} years"
    parts = [part for part in (age, known.gender, known.view) if part]
    return ", ".join(parts) or "age, gender and view not known"


def _heatmap(axes: Axes, found: Prediction, finding: str) -> None:
    heat = found.heatmap(finding)
    _show(axes, found.image)
    axes.imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=_OPACITY * heat, extent=(0, 1, 1, 0))
    box = found.box(finding)
    if box is None:
        axes.text(0.5, 0.97, "the heatmap says nothing", color=_BOX, fontsize=9, ha="center")
    else:
        _rectangle(axes, found, box, _BOX, "-")
    one, called = found.findings[finding], found.calls[finding]
    words = {True: "called", False: "not called", None: "no call"}[called]
    axes.set_title(
        f"{_words(finding)}: {one.probability:.2f}, {words}",
        fontsize=9,
        color=_CALLED if called else _INK,
        fontweight="bold" if called else "normal",
    )


def _show(axes: Axes, image: UInt8[np.ndarray, "s s"]) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, extent=(0, 1, 1, 0))
    axes.set_axis_off()


def _rectangle(
    axes: Axes, found: Prediction, box: Float[np.ndarray, "4"], colour: str, style: str
) -> None:
    inset = 1 / found.image.shape[0]  # so that an edge on the image's edge is seen
    x1, y1, x2, y2 = np.clip(box, inset, 1 - inset)
    corner, width, height = (x1, y1), x2 - x1, y2 - y1
    axes.add_patch(
        Rectangle(corner, width, height, fill=False, edgecolor=colour, linestyle=style, lw=1.6)
    )


def _bars(axes: Axes, found: Prediction) -> None:
    names = found.ranked
    rows = np.arange(len(names))
    probabilities = [found.findings[name].probability for name in names]
    called = [found.calls[name] for name in names]
    colours = [_CALLED if is_called else _GREY for is_called in called]
    axes.barh(rows, probabilities, color=colours, height=0.62)
    limits = {
        row: at
        for row, name in enumerate(names)
        if (at := found.findings[name].calibrated_threshold) is not None
    }
    axes.vlines(
        [*limits.values()], [row - 0.42 for row in limits], [row + 0.42 for row in limits],
        color=_INK, linewidth=1.6,
    )  # fmt: skip
    end = max([*probabilities, *limits.values(), 0.05])
    for row, (name, one) in enumerate(zip(names, probabilities, strict=True)):
        text = f"{one:.2f}   {found.findings[name].above:>4.0%}"
        axes.text(1.03, row, text, fontsize=8, va="center", color=_INK,
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_xlim(0, min(1, 1.05 * end))
    axes.set_yticks(rows, [_words(name) for name in names], fontsize=9)
    for label, is_called in zip(axes.get_yticklabels(), called, strict=True):
        label.set_fontweight("bold" if is_called else "normal")
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
        Line2D([], [], color=_CROP, linestyle="--", label="crop of the local branch"),
        Line2D([], [], color=_BOX, label="where the heatmap is high"),
        Line2D([], [], color=_INK, marker="|", linestyle="", markersize=12, label="threshold"),
        Line2D([], [], color=_CALLED, linewidth=7, label="called"),
        Line2D([], [], color=_GREY, linewidth=7, label="not called"),
    ]
    figure.legend(
        handles=marks, loc="lower left", bbox_to_anchor=(0.01, 0.085), ncols=5, fontsize=8.5,
        frameon=False, handlelength=2.4,
    )  # fmt: skip


def _said(figure: Figure, found: Prediction) -> None:
    warned = "; ".join(found.warnings)
    lines = [f"Not to be trusted, and nothing called: {warned}."] if warned else []
    lines += [f"Note: {note}." for note in found.notes]
    text = "\n".join(line for one in lines for line in textwrap.wrap(one, _LETTERS_A_LINE)[:2])
    figure.text(0.015, 0.075, text, fontsize=8.5, va="top", color=_CALLED if warned else _INK)
    figure.text(0.985, 0.012, RESEARCH_ONLY, fontsize=8.5, ha="right", color=_GREY)


def _words(finding: str) -> str:
    return finding.replace("_", " ")
