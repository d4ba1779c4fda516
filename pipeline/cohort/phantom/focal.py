"""Nodules and masses, and the harmless shadows that look like them from afar.

A nodule is a small disc with a sharp edge, a mass a larger one with a lobulated, spiculated
edge. Their doubles have the same place, size and integrated attenuation but a soft, plain edge
(vessels seen end-on, nipples, calcified cartilage; folds of soft tissue), and occur whatever the
labels say. An image reduced to about 100 px blurs the edges away, so that telling the two apart
takes a closer look at the original.
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
    for _ in range(min(rng.poisson(1.0), 4)):
        radius, side = _nodule_radius(rng, rng.uniform(0.35, 1)), int(rng.integers(2))
        _stamp(layer, chest, side, radius, rng, shape=soft_disc, height=_nodule_height(rng))
    if rng.uniform() < 0.25:
        radius, side = _mass_radius(rng, rng.uniform(0.35, 1)), int(rng.integers(2))
        _stamp(layer, chest, side, radius, rng, shape=soft_patch, height=_mass_height(rng))
    return layer


Row = Float32[np.ndarray, "1 columns"]
Column = Float32[np.ndarray, "rows 1"]
Shadow = Float32[np.ndarray, "rows columns"]

Shape = Callable[[Row, Column, Generator], Shadow]
"""(dx, dy, generator) to relative attenuation; offsets from the centre, in radii."""


def sharp_disc(dx: Row, dy: Column, rng: Generator) -> Shadow:
    """A nodule: a plateau, a little denser at its rim, and a sharp edge."""
    distance = np.hypot(dx, dy * np.float32(rng.uniform(0.9, 1.1)))
    disc: Shadow = smoothstep(1 - distance, 0.22) * (0.92 + 0.16 * np.square(distance))
    return disc


def soft_disc(dx: Row, dy: Column, rng: Generator) -> Shadow:
    """A nodule's double: a Gaussian of the disc's integral."""
    width = rng.uniform(0.53, 0.70)
    q = np.square(dx) + np.square(dy * np.float32(rng.uniform(0.9, 1.1)))
    disc: Shadow = np.exp(q * np.float32(-0.5 / width**2)) * np.float32(0.5 / width**2)
    return disc


def spiculated_patch(dx: Row, dy: Column, rng: Generator) -> Shadow:
    """A mass: a few lobes, and spicules of uneven length and spacing."""
    turns = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    outline = 0.85 + 0.2 * np.abs(np.sin(rng.integers(3, 6) / 2 * turns + rng.uniform(0, 6)))
    roots = rng.choice(60, int(rng.integers(14, 22)), replace=False) * 2
    outline[roots] += rng.uniform(0.15, 0.6, len(roots))
    edge = np.interp(np.arctan2(dy, dx) % (2 * np.pi), turns, outline, period=2 * np.pi)
    return smoothstep((edge - np.hypot(dx, dy)).astype(np.float32), 0.12)


def soft_patch(dx: Row, dy: Column, rng: Generator) -> Shadow:
    """A mass's double: an ellipse with a soft and even edge."""
    distance = np.hypot(dx, dy * np.float32(rng.uniform(0.85, 1.15)))
    return smoothstep(1.03 - distance, 0.5)


def _nodule_radius(rng: Generator, severity: float) -> float:
    return rng.uniform(0.026, 0.032) + 0.014 * severity


def _nodule_height(rng: Generator) -> float:
    return rng.uniform(0.26, 0.38)


def _mass_radius(rng: Generator, severity: float) -> float:
    return 0.085 + 0.06 * severity * rng.uniform(0.6, 1)


def _mass_height(rng: Generator) -> float:
    return rng.uniform(0.20, 0.30)


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
