"""Where the nodes of a small graph stand: in layers from top to bottom, few lines crossing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from graphlib import TopologicalSorter
from itertools import pairwise

Layer = list[str]

_SWEEPS = 60


def depths(before: Mapping[str, Sequence[str]], early: Set[str]) -> dict[str, int]:
    """The layer of each node: as late as what follows allows, but for those that are `early`.

    Args:
        before: by each node those that it comes after; each node is a key.
        early: nodes that stand as far up as those before them allow.
    """
    order = [*TopologicalSorter(before).static_order()]
    first: dict[str, int] = {}
    for node in order:
        first[node] = 1 + max((first[one] for one in before[node]), default=-1)
    last = {node: max(first.values()) for node in before}
    for node in reversed(order):
        if node in early:
            last[node] = first[node]
        for one in before[node]:
            last[one] = min(last[one], last[node] - 1)
    return last


def bent(before: Mapping[str, Sequence[str]], depth: Mapping[str, int]) -> list[list[str]]:
    """The lines from node to node, each with a bend in every layer that it passes."""
    return [
        [one, *(f"{one}>{node}>{at}" for at in range(depth[one] + 1, depth[node])), node]
        for node, others in before.items()
        for one in others
    ]


def arrange(
    lines: Sequence[Sequence[str]], depth: Mapping[str, int], widths: Mapping[str, float]
) -> dict[str, float]:
    """The middle of each node and bend from left to right; none overlaps another of its layer.

    Args:
        lines: from `bent`.
        depth: of the nodes at the lines' ends.
        widths: of nodes with their margins; `""` is that of a bend.
    """
    layers = _layers(lines, depth)
    near = _neighbours(lines)
    middle: dict[str, float] = {}
    for layer in layers:
        middle |= {node: float(place) for place, node in enumerate(layer)}
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 else reversed(layers):
            wanted = {node: _mean([middle[one] for one in near[node]]) for node in layer}
            layer.sort(key=lambda node, wanted=wanted: wanted[node])  # type: ignore[misc]
            middle |= _apart(layer, wanted, widths)
    return middle


def _layers(lines: Sequence[Sequence[str]], depth: Mapping[str, int]) -> list[Layer]:
    found: dict[int, dict[str, None]] = defaultdict(dict)
    for line in lines:
        for step, node in enumerate(line):
            found[depth[line[0]] + step][node] = None
    return [[*found[at]] for at in sorted(found)]


def _neighbours(lines: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    near = defaultdict(list)
    for line in lines:
        for one, other in pairwise(line):
            near[one].append(other)
            near[other].append(one)
    return near


def _apart(
    layer: Layer, wanted: Mapping[str, float], widths: Mapping[str, float]
) -> dict[str, float]:
    """The places nearest to those that are wanted, in this order and without overlap."""
    wide = [widths.get(node, widths[""]) for node in layer]
    offsets = [0.0]
    for one, other in pairwise(wide):
        offsets.append(offsets[-1] + (one + other) / 2)
    blocks: list[list[float]] = []  # isotonic regression: pools of places, each at its mean
    for node, offset in zip(layer, offsets, strict=True):
        blocks.append([wanted[node] - offset])
        while len(blocks) > 1 and _mean(blocks[-2]) >= _mean(blocks[-1]):
            pool = blocks.pop()
            blocks[-1] += pool
    starts = [_mean(block) for block in blocks for _ in block]
    return {
        node: start + offset for node, start, offset in zip(layer, starts, offsets, strict=True)
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
