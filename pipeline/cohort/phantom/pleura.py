"""Findings of the pleural space, and of what pushes into the chest."""

import numpy as np
from numpy.random import Generator

from pipeline.cohort.phantom.anatomy import Chest
from pipeline.cohort.phantom.canvas import Layer, bump, noise_field, smoothstep
from pipeline.cohort.phantom.mark import Mark


def effusion(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """Fluid with a meniscus: a blunted angle when small, a white base when large."""
    sides = (0, 1) if rng.uniform() < 0.3 else (side,)
    region = np.zeros(chest.canvas.shape, np.float32)
    for one in sides:
        share = severity if one == side else severity * rng.uniform(0.4, 0.9)
        level = chest.dome[one] + 0.12 - 0.44 * share
        u = np.clip(np.abs(chest.canvas.x) / chest.half_width[one], 0, 1.1)
        surface = level - (0.20 + 0.12 * share) * np.maximum(u - 0.25, 0) ** 2.3
        fluid = smoothstep(chest.canvas.y - surface, 0.05) * chest.side_mask(one)
        region = np.maximum(region, fluid)
    region *= smoothstep(chest.base + 0.03 - chest.canvas.y, 0.06)
    region *= chest.lung
    return Mark((0.30 + 0.10 * severity) * region, region, clears=0.85 * region)


def pneumothorax(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """A dark crescent without vessels outside a thin pleural line, widest at the apex."""
    depth = chest.canvas.y - chest.apex
    gap = 0.05 + 0.20 * severity
    gap_line = gap * (0.45 + 0.75 * smoothstep(0.45 - depth, 0.8)) + 0.06 * np.exp(-depth / 0.18)
    gap_line = gap_line * smoothstep(chest.height(0.75 + 0.25 * severity) - chest.canvas.y, 0.5)
    wavy = 0.012 * np.sin(4 * chest.canvas.y + rng.uniform(0, 6))
    line = chest.inside - gap_line - wavy
    # Above the collapsed apex there is air only.
    line = np.minimum(line, depth - 0.10 - 0.22 * severity)
    here = chest.side_mask(side) * chest.lung
    region = smoothstep(-line, 0.012) * here * smoothstep(chest.height(0.98) - chest.canvas.y, 0.1)
    pleural_line = bump(line, 0.014) * here * smoothstep(gap_line - 0.01, 0.02)
    collapsed = (here - region).clip(0, 1)
    layer = -(0.07 + 0.04 * severity) * region + 0.12 * pleural_line
    return Mark(layer + 0.05 * severity * collapsed, region, clears=region)


def pleural_thickening(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """An uneven bright band along the lateral wall, often with an apical cap."""
    thick = 0.06 + 0.08 * severity
    rough = 0.22 * noise_field(rng, chest.canvas.shape, 14)
    middle, reach = chest.height(rng.uniform(0.30, 0.75)), rng.uniform(0.35, 0.55)
    along = bump(chest.canvas.y - middle, reach)
    band = smoothstep(thick * (1 + rough) * np.sqrt(along) - chest.inside, 0.03)
    if rng.uniform() < 0.5:
        cap = smoothstep(
            0.05 + 0.10 * severity - (chest.canvas.y - chest.apex) * (1 + 0.4 * rough), 0.05
        )
        band = np.maximum(band, cap)
    region = band * chest.side_mask(side) * chest.lung
    return Mark((0.30 + 0.12 * severity) * region, region)


def cardiomegaly(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """A wide heart: `build_chest` widens it; the mark only says where it is."""
    del severity, rng, side
    x, y = chest.canvas.x, chest.canvas.y
    right, left = chest.heart
    q = np.square((x - (left - right) / 2) / ((left + right) / 2))
    q = q + np.square((y - chest.heart_y - 0.03) / 0.32)
    region = smoothstep(1 - q, 0.05)
    return Mark(np.zeros(chest.canvas.shape, np.float32), region)


def hernia(chest: Chest, severity: float, rng: Generator, side: int) -> Mark:
    """Stomach behind the heart: a round wall, air above a level of fluid."""
    del side
    cx, cy = rng.normal(0.03, 0.035), max(chest.dome) - rng.uniform(0.03, 0.09)
    radius = 0.12 + 0.09 * severity
    q = np.hypot((chest.canvas.x - cx) / 1.1, chest.canvas.y - cy) - radius
    sac = smoothstep(-q, 0.02)
    level = cy - 0.1 * radius
    air = smoothstep(level - chest.canvas.y, 0.012) * smoothstep(-q - 0.022, 0.015)
    fluid = sac * smoothstep(chest.canvas.y - level, 0.012)
    layer = 0.20 * fluid - (0.20 + 0.06 * severity) * air + 0.12 * bump(q + 0.01, 0.018)
    return Mark(layer.astype(np.float32), _region(sac))


def _region(mask: np.ndarray) -> Layer:
    return mask.astype(np.float32)
