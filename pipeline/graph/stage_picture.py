"""The drawing of the stages, `docs/graph.svg`, as text that shows on light and dark pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from pipeline.graph.layering import arrange, bent, depths
from pipeline.graph.stage_edges import Edges, Stage, read_stages, reduced, stage_edges

PICTURE = "docs/graph.svg"

GIVEN, READ_BY = "your radiographs", "ingest"
"""What `ingest.source` may name in place of the synthetic cohort, drawn beside the stages."""

_HIGH, _STEP, _MARGIN, _BEND = 26.0, 48.0, 12.0, 18.0
_LETTER = 6.7  # of a sans-serif font of 12 px, on average

# Boxes bring their own light ground, and the grey of the lines shows on white and on black.
_STYLE = """\
text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #10233f }
.box { fill: #e6eefa; stroke: #4a72ad }
.member { fill: #fff6dd; stroke: #a8842c }
.given { fill: #f4f4f4; stroke: #777; stroke-dasharray: 4 3 }
.line { fill: none; stroke: #7d8590; stroke-width: 1.5 }
.dashed { stroke-dasharray: 4 3 }
.head { fill: #7d8590 }"""


@dataclass(frozen=True)
class Drawn:
    """The places of all things in pixels, from the upper left corner."""

    boxes: dict[str, tuple[float, float, float, float]]
    """xyxy of each node."""
    lines: dict[tuple[str, str], list[tuple[float, float]]]
    """By both ends, the points that a line goes through."""
    width: float
    height: float


def render_picture(graph: Mapping[str, Any], params: Mapping[str, Any]) -> str:
    """The drawing: stages of which there is one for each member stand once.

    What follows from other lines is not drawn.

    Args:
        graph: dvc.yaml, as loaded.
        params: values under dotted names.
    """
    stages = read_stages(graph, params)
    return render(stages, place(stages, reduced(stage_edges(stages))))


def place(stages: Mapping[str, Stage], edges: Edges) -> Drawn:
    """Say where all stands."""
    before = _with_given(edges)
    depth = depths(before, {name for name in edges if stages[name].each_member})
    lines = bent(before, depth)
    widths = {name: _wide(name) + _MARGIN for name in before} | {"": _BEND}
    middle = arrange(lines, depth, widths)
    left = min(middle[name] - widths.get(name, _BEND) / 2 for name in middle)
    x = {name: float(round(at - left)) for name, at in middle.items()}
    boxes = {name: _box(name, x[name], _top(depth[name])) for name in before}
    return Drawn(
        boxes=boxes,
        lines={(line[0], line[-1]): _points(line, x, depth) for line in lines},
        width=max(*(box[2] for box in boxes.values()), *x.values()) + _MARGIN / 2,
        height=_top(max(depth.values())) + _HIGH + _MARGIN / 2,
    )


def render(stages: Mapping[str, Stage], drawn: Drawn) -> str:
    """Write it as SVG."""
    size = f"{drawn.width:.0f} {drawn.height:.0f}"
    width, height = size.split()
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {size}" role="img">',
            "<title>The stages, from top to bottom. Yellow: one for each member.</title>",
            f"<style>\n{_STYLE}\n</style>",
            *(_line(ends, points) for ends, points in drawn.lines.items()),
            *(_node(name, box, stages.get(name)) for name, box in drawn.boxes.items()),
            "</svg>",
            "",
        ]
    )


def _with_given(edges: Edges) -> dict[str, list[str]]:
    """With what is given in place of what the stage before makes, in an order that builds up."""
    before: dict[str, list[str]] = {}
    for name, others in edges.items():
        if name == READ_BY:
            before[GIVEN] = []
        before[name] = [*others, *([GIVEN] if name == READ_BY else [])]
    return before


def _wide(name: str) -> float:
    return float(round(len(name) * _LETTER) + 16)


def _top(depth: int) -> float:
    return depth * _STEP + _MARGIN / 2


def _box(name: str, x: float, top: float) -> tuple[float, float, float, float]:
    half = _wide(name) / 2
    return x - half, top, x + half, top + _HIGH


def _points(
    line: list[str], x: Mapping[str, float], depth: Mapping[str, int]
) -> list[tuple[float, float]]:
    first = depth[line[0]]
    points = [(x[line[0]], _top(first) + _HIGH)]
    for step, bend in enumerate(line[1:-1], start=1):
        points += [(x[bend], _top(first + step)), (x[bend], _top(first + step) + _HIGH)]
    return [*points, (x[line[-1]], _top(depth[line[-1]]))]


def _line(ends: tuple[str, str], points: list[tuple[float, float]]) -> str:
    """Straight beside boxes, curved between layers, with a head at its end."""
    (x, y), *rest = points
    path = f"M{x:.0f} {y:.0f}"
    for x_next, y_next in rest:
        half = (y + y_next) / 2
        path += f"C{x:.0f} {half:.0f} {x_next:.0f} {half:.0f} {x_next:.0f} {y_next:.0f}"
        x, y = x_next, y_next
    dashed = " dashed" if GIVEN in ends else ""
    head = f"M{x - 4:.0f} {y - 7:.0f}L{x:.0f} {y:.0f}L{x + 4:.0f} {y - 7:.0f}z"
    return f'<path class="line{dashed}" d="{path}"/><path class="head" d="{head}"/>'


def _node(name: str, box: tuple[float, float, float, float], stage: Stage | None) -> str:
    x1, y1, x2, y2 = box
    kind = "given" if stage is None else "member" if stage.each_member else "box"
    desc = f"<title>{escape(stage.desc)}</title>" if stage else ""
    kind = f"box {kind}"
    return (
        f'<g>{desc}<rect class="{kind}" x="{x1:.1f}" y="{y1:.0f}" width="{x2 - x1:.0f}" '
        f'height="{y2 - y1:.0f}" rx="5"/><text x="{(x1 + x2) / 2:.1f}" y="{y1 + 17:.0f}" '
        f'text-anchor="middle">{escape(name)}</text></g>'
    )
