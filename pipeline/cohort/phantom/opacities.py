"""Opacities that fill air spaces or thicken the interstitium."""

import numpy as np
from numpy.random import Generator

from pipeline.cohort.phantom.anatomy import Chest
from pipeline.cohort.phantom.canvas import Layer, Lines, bump, draw_lines, noise_field, smoothstep
from pipeline.cohort.phantom.mark import Mark


def atelectasis(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """Plate-like bands above a raised hemidiaphragm (`build_chest` raises it)."""
    sign = 2 * side - 1
    bands = np.zeros(chest.canvas.shape, np.float32)
    for _ in range(1 + round(2 * severity * rng.uniform(0.5, 1))):
        cx = sign * rng.uniform(0.40, 0.56) * chest.half_width[side] / 0.8
        cy = chest.dome[side] - rng.uniform(0.06, 0.24)
        tilt = sign * rng.uniform(-0.35, 0.2)
        x, y = chest.canvas.x - cx, chest.canvas.y - cy
        along = x * np.float32(np.cos(tilt)) + y * np.float32(np.sin(tilt))
        across = y * np.float32(np.cos(tilt)) - x * np.float32(np.sin(tilt))
        across += 0.25 * np.square(along)
        half, thick = rng.uniform(0.18, 0.28), 0.016 + 0.020 * severity
        band = smoothstep(thick - np.abs(across), 0.02)
        band *= smoothstep(half - np.abs(along), 0.08)
        bands = np.maximum(bands, band)
    bands *= chest.lung
    haze = bump(chest.above - 0.03, 0.16) * chest.side_mask(side) * chest.lung
    return Mark((0.20 + 0.14 * severity) * bands + (0.10 * severity) * haze, bands)


def infiltration(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """Diffuse patchy haze of one lung or both, ill defined everywhere."""
    patches = noise_field(rng, chest.canvas.shape, 18)
    patches += 0.7 * noise_field(rng, chest.canvas.shape, 40)
    patches = smoothstep(patches, 3.2)
    where = np.zeros(chest.canvas.shape, np.float32)
    for one in (0, 1) if rng.uniform() < 0.5 else (side,):
        cx = (2 * one - 1) * rng.uniform(0.34, 0.46)
        q = np.square((chest.canvas.x - cx) / 0.36)
        q = q + np.square((chest.canvas.y - chest.height(rng.uniform(0.45, 0.8))) / 0.50)
        where = np.maximum(where, bump(q, 1.0) * chest.side_mask(one))
    where *= chest.lung
    return Mark((0.18 + 0.22 * severity) * where * (patches - 0.1), where)


def consolidation(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """A dense, homogeneous lobe: one straight fissure, air bronchograms within."""
    sign = 2 * side - 1
    fissure = chest.height(rng.uniform(0.45, 0.62))
    tilt = sign * rng.uniform(-0.1, 0.3)
    upper = rng.uniform() < 0.5
    depth = chest.canvas.y - fissure - tilt * (chest.canvas.x - 0.4 * sign)
    depth = -depth if upper else depth
    ragged = 0.05 * noise_field(rng, chest.canvas.shape, 12)
    region = smoothstep(depth, 0.025)
    region *= smoothstep(0.26 + 0.30 * severity - depth + ragged, 0.12)
    region *= smoothstep(np.abs(chest.canvas.x) - 0.12, 0.1) * chest.side_mask(side)
    region *= chest.lung
    air = draw_lines(chest.canvas, _bronchi(fissure, sign, rng, upper=upper), width=0.016)
    return Mark((0.25 + 0.12 * severity) * region * (1 - 0.5 * air), region)


def _bronchi(fissure: float, sign: int, rng: Generator, *, upper: bool) -> Lines:
    hilum = np.array([sign * 0.16, fissure + (-0.1 if upper else 0.08)])
    angles = rng.uniform(-0.9, 0.2, 6) if upper else rng.uniform(-0.2, 0.9, 6)
    reach = rng.uniform(0.2, 0.42, (6, 1))
    ends = hilum + reach * np.stack([sign * np.cos(angles), np.sin(angles)], 1)
    lines: Lines = np.stack([np.broadcast_to(hilum, ends.shape), ends], 1).astype(np.float32)
    return lines


def pneumonia(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """One round fluffy patch that fades outwards."""
    cx = (2 * side - 1) * rng.uniform(0.30, 0.50)
    cy = chest.height(rng.uniform(0.35, 0.85))
    radius = 0.17 + 0.09 * severity
    fluff = noise_field(rng, chest.canvas.shape, 34)
    q = np.hypot(chest.canvas.x - cx, chest.canvas.y - cy)
    patch = smoothstep(1 - q / radius + 0.10 * fluff, 1.5) * smoothstep(1.6 - q / radius, 0.5)
    patch *= chest.lung
    return Mark((0.30 + 0.14 * severity) * patch * (1 + 0.16 * fluff), patch)


def edema(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """Bat-wing haze around both hila, Kerley lines at the bases' edges."""
    del side
    x, y = np.abs(chest.canvas.x), chest.canvas.y
    cx, cy = rng.uniform(0.26, 0.40), chest.height(rng.uniform(0.45, 0.75))
    q = np.square((x - cx) / (0.20 + 0.08 * severity)) + np.square((y - cy) / 0.36)
    wings = bump(q, 1.25) * chest.lung
    mottled = 1 + 0.45 * noise_field(rng, chest.canvas.shape, 26)
    kerley = _kerley(chest, rng) * chest.lung
    layer = (0.12 + 0.08 * severity) * wings * mottled + (0.18 + 0.08 * severity) * kerley
    return Mark(layer, np.maximum(wings, kerley))


def _kerley(chest: Chest, rng: Generator) -> Layer:
    lines = []
    for side in (0, 1):
        for level in np.linspace(chest.height(0.68), chest.base - 0.05, 9):
            wall = (2 * side - 1) * (chest.wall(level, side) - 0.015)
            inner = wall - (2 * side - 1) * rng.uniform(0.06, 0.12)
            lines.append([[wall, level], [inner, level + rng.normal(0, 0.012)]])
    return draw_lines(chest.canvas, np.array(lines, np.float32), width=0.012)


def fibrosis(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """A fine net of lines at the bases and under the pleura of both lungs."""
    del side
    # The zero lines of smooth noise form closed loops.
    net = bump(noise_field(rng, chest.canvas.shape, 40), 0.5)
    net = np.maximum(net, 0.8 * bump(noise_field(rng, chest.canvas.shape, 30), 0.4))
    basal = smoothstep(chest.canvas.y - chest.height(0.66 - 0.2 * severity), 0.3)
    rim = smoothstep(0.22 + 0.08 * severity - chest.inside, 0.14)
    rim *= smoothstep(chest.canvas.y + 0.45, 0.3)
    region = np.maximum(0.9 * basal, rim)
    region *= smoothstep(np.abs(chest.canvas.x) - 0.2, 0.15) * chest.lung
    return Mark((0.34 + 0.14 * severity) * region * (net - 0.15), region)


def emphysema(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """Air in place of tissue (`build_chest` flattens the domes and narrows the heart)."""
    del side
    uneven = 1 + 0.25 * noise_field(rng, chest.canvas.shape, 9)
    region = smoothstep(chest.inside, 0.15) * chest.lung
    layer = -(0.01 + 0.02 * severity) * region * uneven
    return Mark(layer, region, clears=(0.3 + 0.3 * severity) * region)
