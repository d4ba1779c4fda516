"""Nodules and masses, and the harmless shadows that look like them from afar.

A nodule is a small disc with a sharp edge, a mass a larger, lobed one with spicules. Their doubles
have the same place, size, height and integrated attenuation but a soft margin (vessels seen
end-on, nipples, calcified cartilage; folds of soft tissue), and occur whatever the labels say.
An image reduced to about 100 px blurs every margin, so that telling the two apart takes a closer
look at the original. Both stand out as faintly as vessels do: at a higher contrast even what is
left of the margin at 100 px would give them away.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32
from numpy.random import Generator

from pipeline.cohort.phantom.anatomy import Chest
from pipeline.cohort.phantom.canvas import Layer, smoothstep
from pipeline.cohort.phantom.mark import Mark


def nodule(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """One to three small round shadows with a sharp edge."""
    layer = np.zeros(chest.canvas.shape, np.float32)
    for _ in range(1 + int(rng.binomial(2, 0.4 * severity))):
        radius = _nodule_radius(rng, severity)
        _stamp(layer, chest, side, radius, rng, shape=sharp_disc, height=_nodule_height(rng))
        side = int(rng.integers(2))
    return Mark(layer, (layer > 0.05).astype(np.float32))


def mass(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """One larger shadow with a lobulated and spiculated edge."""
    layer = np.zeros(chest.canvas.shape, np.float32)
    radius = _mass_radius(rng, severity)
    _stamp(layer, chest, side, radius, rng, shape=spiculated_patch, height=_mass_height(rng))
    return Mark(layer, (layer > 0.05).astype(np.float32))


def soft_doubles(chest: Chest, rng: Generator) -> Layer:
    """The harmless shadows of one image."""
    layer = np.zeros(chest.canvas.shape, np.float32)
    for _ in range(min(rng.poisson(0.3), 3)):
        radius, side = _nodule_radius(rng, rng.uniform(0.5, 1)), int(rng.integers(2))
        _stamp(layer, chest, side, radius, rng, shape=soft_disc, height=_nodule_height(rng))
    if rng.uniform() < 0.08:
        radius, side = _mass_radius(rng, rng.uniform(0.5, 1)), int(rng.integers(2))
        _stamp(layer, chest, side, radius, rng, shape=soft_patch, height=_mass_height(rng))
    return layer


Row = Float32[np.ndarray, "1 columns"]
Column = Float32[np.ndarray, "rows 1"]
Shadow = Float32[np.ndarray, "rows columns"]

Shape = Callable[[Row, Column, Generator], Shadow]
"""(dx, dy, generator) to relative attenuation; offsets from the centre, in radii."""


def sharp_disc(dx: Row, dy: Column, rng: Generator) -> Shadow:
    """A nodule: a plateau with a sharp edge."""
    return smoothstep(1 - _distance(dx, dy, rng), 0.22)


def soft_disc(dx: Row, dy: Column, rng: Generator) -> Shadow:
    """A nodule's double: the same size, height and integral, but a soft edge."""
    return smoothstep(0.97 - _distance(dx, dy, rng), 1.05)


def _distance(dx: Row, dy: Column, rng: Generator) -> Shadow:
    distance: Shadow = np.hypot(dx, dy * np.float32(rng.uniform(0.9, 1.1)))
    return distance


def spiculated_patch(dx: Row, dy: Column, rng: Generator) -> Shadow:
    """A mass: a few lobes, and spicules of uneven length and spacing."""
    edge = _around(dx, dy, _lobes(rng) + _spicules(rng))
    return smoothstep(edge - np.hypot(dx, dy), 0.12)


def soft_patch(dx: Row, dy: Column, rng: Generator) -> Shadow:
    """A mass's double: the same lobes, and the spicules smeared out to an even margin."""
    beyond = np.hypot(dx, dy) - _around(dx, dy, _lobes(rng))
    turns = np.interp(np.linspace(0, _STEPS, 4 * _STEPS), np.arange(_STEPS), _spicules(rng))
    margin = np.linspace(-0.3, 0.8, 45, dtype=np.float32)
    share = smoothstep(turns.astype(np.float32) - margin[:, None], 0.12).mean(axis=1)
    shadow: Shadow = np.interp(beyond, margin, share).astype(np.float32)
    return shadow


_STEPS = 120  # of a turn, at which an outline is given


def _lobes(rng: Generator) -> Float32[np.ndarray, "steps"]:
    turns = np.linspace(0, 2 * np.pi, _STEPS, endpoint=False)
    lobes = 0.85 + 0.2 * np.abs(np.sin(rng.integers(3, 6) / 2 * turns + rng.uniform(0, 6)))
    return np.asarray(lobes, np.float32)


def _spicules(rng: Generator) -> Float32[np.ndarray, "steps"]:
    spicules = np.zeros(_STEPS, np.float32)
    roots = rng.choice(_STEPS // 2, int(rng.integers(14, 22)), replace=False) * 2
    spicules[roots] = rng.uniform(0.15, 0.6, len(roots))
    return spicules


def _around(dx: Row, dy: Column, outline: Float32[np.ndarray, "steps"]) -> Shadow:
    angle = np.arctan2(dy, dx) * (_STEPS / (2 * np.pi))
    edge: Shadow = np.interp(angle, np.arange(_STEPS), outline, period=_STEPS).astype(np.float32)
    return edge


def _nodule_radius(rng: Generator, severity: float) -> float:
    return rng.uniform(0.038, 0.044) + 0.018 * severity


def _nodule_height(rng: Generator) -> float:
    return rng.uniform(0.32, 0.42)


def _mass_radius(rng: Generator, severity: float) -> float:
    return 0.11 + 0.06 * severity * rng.uniform(0.6, 1)


def _mass_height(rng: Generator) -> float:
    return rng.uniform(0.32, 0.42)


_REACH = 2.4  # radii, beyond which no shape leaves a trace


def _stamp(
    layer: Layer,
    chest: Chest,
    side: int,
    radius: float,
    rng: Generator,
    *,
    shape: Shape,
    height: float,
) -> None:
    x, y = _lung_point(chest, rng, side)
    rows, columns = chest.canvas.window(x, y, _REACH * radius)
    dx = (chest.canvas.x[:, columns] - x) * np.float32(1 / radius)
    dy = (chest.canvas.y[rows] - y) * np.float32(1 / radius)
    here = layer[rows, columns]
    np.maximum(here, np.float32(height) * shape(dx, dy, rng), out=here)


def _lung_point(chest: Chest, rng: Generator, side: int) -> tuple[float, float]:
    y = chest.height(rng.uniform(0.22, 0.88))
    reach = min(chest.wall(y, side) - 0.10, 0.64)
    return (2 * side - 1) * rng.uniform(0.20, reach), y
