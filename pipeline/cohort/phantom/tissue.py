"""What every chest shows: soft tissue, heart, spine, ribs, vessels; as attenuation.

Attenuation is additive along the ray, so each function returns a layer to be added; about 0 is
air outside the body, 0.2 an aerated lung, 0.7 the abdomen, 1 the spine.
"""

import numpy as np
from jaxtyping import Float32
from numpy.random import Generator

from pipeline.cohort.phantom.anatomy import SPINE, Chest
from pipeline.cohort.phantom.canvas import Layer, Lines, bump, draw_lines, noise_field, smoothstep


def soft_tissue(chest: Chest, rng: Generator) -> Layer:
    """Torso, neck, shoulders and arms, less the air in the lungs, plus the abdomen."""
    x, y = chest.canvas.x, chest.canvas.y
    wall = max(chest.half_width) + 0.08 + 0.12 * (chest.person.thickness - 0.4)
    wall_line = wall - 0.05 * smoothstep(y - 0.3, 0.9) + 0.05 * bump(y + 0.3, 0.5)
    neck = 0.24 + 0.02 * rng.standard_normal()
    slope = smoothstep(y + 0.82 + rng.normal(0, 0.03), 0.34)
    outline = neck + (wall_line + 0.35 - neck) * slope
    body = smoothstep(outline - np.abs(x), 0.05)
    _open_armpits(body, chest, wall_line, rng)
    across = np.sqrt(np.clip(1.02 - np.square(x / 1.35), 0.05, 1))
    down = 0.85 + 0.12 * smoothstep(y, 1.6)
    layer = body * (chest.person.thickness * across * down)
    air = rng.uniform(0.44, 0.60) + 0.15 * smoothstep(chest.inside - 0.13, 0.36)
    layer *= 1 - air * chest.lung
    layer += 0.20 * chest.abdomen * body
    _add_stomach_bubble(layer, chest, rng)
    layer += 0.018 * noise_field(rng, chest.canvas.shape, 7) * body
    return layer


def _open_armpits(body: Layer, chest: Chest, wall_line: np.ndarray, rng: Generator) -> None:
    # Air between torso and arm; it opens downwards, more so in the PA stance.
    start = rng.normal(-0.2 if not chest.supine else 0.15, 0.12)
    opening = rng.uniform(0.05, 0.6 if not chest.supine else 0.25)
    gap = np.maximum(chest.canvas.y - start, 0) * opening
    edge = int(np.argmax(np.abs(chest.canvas.x[0]) < wall_line.max() + 0.02)) + 1
    for columns in (slice(0, edge), slice(-edge, None)):
        x = np.abs(chest.canvas.x[:, columns])
        air = smoothstep(x - wall_line, 0.03) * smoothstep(wall_line + gap - x, 0.05)
        body[:, columns] *= 1 - air


def _add_stomach_bubble(layer: Layer, chest: Chest, rng: Generator) -> None:
    cx, cy = 0.36 + rng.normal(0, 0.06), chest.dome[1] + 0.13 + rng.normal(0, 0.02)
    rx, ry = rng.uniform(0.08, 0.16), rng.uniform(0.03, 0.08)
    rows, columns = chest.canvas.window(cx, cy, rx)
    q = np.square((chest.canvas.x[:, columns] - cx) / rx)
    q = q + np.square((chest.canvas.y[rows] - cy) / ry)
    bubble = smoothstep(1 - q, 1.0) * smoothstep(-chest.above[rows, columns] - 0.03, 0.03)
    layer[rows, columns] -= rng.uniform(0.0, 0.16) * bubble


def mediastinum(chest: Chest, rng: Generator) -> Layer:
    """Heart, great vessels, aortic knob, spine with its discs, and the airway within."""
    x, y = chest.canvas.x, chest.canvas.y
    right, left = heart_borders(chest, rng)
    heart = smoothstep(x - right, 0.03)
    heart *= smoothstep(left - x, 0.03)
    heart *= smoothstep(y - chest.apex + 0.25, 0.5) * np.float32(rng.uniform(0.24, 0.3))
    heart *= 1 - 0.75 * chest.abdomen
    spine = smoothstep(SPINE - np.abs(x), 0.07) * rng.uniform(0.10, 0.17)
    discs = 0.75 + 0.25 * np.cos(2 * np.pi * (y / 0.115 + rng.uniform()))
    heart += spine * discs.astype(np.float32)
    airway = smoothstep(0.042 - np.abs(x + 0.012), 0.025) * smoothstep(-0.30 - y, 0.1)
    heart -= 0.13 * airway
    return heart


def heart_borders(
    chest: Chest, rng: Generator
) -> tuple[Float32[np.ndarray, "h 1"], Float32[np.ndarray, "h 1"]]:
    """The x of the silhouette's borders at every level: image left and image right."""
    y, centre = chest.canvas.y, chest.heart_y
    stem = 0.13 + 0.012 * rng.standard_normal() - 0.02 * bump(y + 0.25, 0.2)
    atrium = _arch(y, centre + 0.03, 0.36, 0.34)
    right = -(stem + (chest.heart[0] - stem) * atrium)
    ventricle = _arch(y, centre + 0.10, rng.uniform(0.56, 0.64), 0.30)
    knob = chest.person.knob * bump(y + 0.44, 0.12)
    trunk = 0.03 * bump(y + 0.22, 0.15)
    left = stem - 0.01 + (chest.heart[1] - stem) * ventricle + knob + trunk
    return right.astype(np.float32), left.astype(np.float32)


def _arch(y: np.ndarray, peak: float, up: float, down: float) -> np.ndarray:
    # A slope that eases in from above, and a round end below.
    above = 0.5 + 0.5 * np.cos(np.pi * np.clip((peak - y) / up, 0, 1))
    below = np.sqrt(np.clip(1 - np.square((y - peak) / down), 0, 1))
    arch: np.ndarray = np.where(y < peak, above, below)
    return arch


def bones(chest: Chest, rng: Generator) -> Layer:
    """Posterior and anterior ribs, clavicles, the scapulae's edges, the humeral heads."""
    contrast = 0.12 * rng.uniform(0.75, 1.2) * (1.1 - 0.004 * chest.person.age_years)
    layer = contrast * _ribs(chest, rng)
    _add_clavicles(layer, chest, rng)
    _add_shoulders(layer, chest, rng)
    return layer


def _ribs(chest: Chest, rng: Generator) -> Layer:
    x, y = np.abs(chest.canvas.x), chest.canvas.y
    u = x / max(chest.half_width)
    cage = smoothstep(chest.inside + 0.035, 0.03) * smoothstep(x - 0.07, 0.05)
    steep = 0.30 + 0.05 * y
    posterior = y - steep * (u**2.6) + 0.10 * u - 0.05 * np.sin(3 * u)
    phase = posterior / chest.person.rib_gap + chest.person.rib_phase
    ribs = _take(_RIB, phase)
    drop = (0.46 + rng.normal(0, 0.02)) * np.square(1 - u) - 0.28 * (1 - u)
    anterior = (y - 0.22 - drop) / (1.12 * chest.person.rib_gap) + chest.person.rib_phase
    front = _take(_FRONT_RIB, anterior) * smoothstep(u - 0.42, 0.3)
    front *= 0.55
    ribs += front
    ribs *= cage
    ribs *= 1 - 0.7 * chest.abdomen
    return ribs


def _profile(duty: float, edge: float) -> Float32[np.ndarray, "256"]:
    # Across one rib gap: a bar of `duty`, with dense cortex at both edges.
    t = (np.arange(256) + 0.5) / 256 - 0.5
    bar = smoothstep((duty / 2 - np.abs(t)).astype(np.float32), 0.07)
    cortex = bump((np.abs(t) - duty / 2 + 0.035).astype(np.float32), 0.05)
    return (0.7 * bar + edge * cortex).astype(np.float32)


_RIB = _profile(0.42, 0.45)
_FRONT_RIB = _profile(0.5, 0.25)


def _take(profile: Float32[np.ndarray, "256"], phase: np.ndarray) -> Layer:
    layer: Layer = profile[(phase * 256).astype(np.int32) & 255]
    return layer


def _add_clavicles(layer: Layer, chest: Chest, rng: Generator) -> None:
    level, half = chest.apex + 0.16 + rng.normal(0, 0.03), 0.026
    lifts = rng.normal(0.14, 0.05, 2)
    rows, _ = chest.canvas.window(0.0, level - 0.08, 0.3)
    x, y = chest.canvas.x, chest.canvas.y[rows]
    u = np.abs(x)
    lift = np.where(x < 0, lifts[0], lifts[1]).astype(np.float32)
    line = level - lift * np.clip((u - 0.06) / 0.6, 0, 1.4) + 0.03 * np.sin(7 * u)
    offset = np.abs(y - line)
    bar = smoothstep(half - offset, 0.02) + 0.5 * bump(offset - half + 0.004, 0.012)
    layer[rows] += 0.13 * bar * (smoothstep(u - 0.07, 0.04) * smoothstep(0.9 - u, 0.08))


def _add_shoulders(layer: Layer, chest: Chest, rng: Generator) -> None:
    # In the PA stance the scapulae are rolled out of the lungs; supine they lie over them.
    offset = rng.normal(0.02 if chest.supine else 0.10, 0.04)
    rows, _ = chest.canvas.window(0.0, -0.28, 0.5)
    x, y = np.abs(chest.canvas.x), chest.canvas.y[rows]
    edge = max(chest.half_width) * 0.84 + offset + 0.16 * np.square((y + 0.2) / 0.5)
    blade = smoothstep(x - edge, 0.03) * smoothstep(edge + 0.3 - x, 0.2)
    blade += 0.9 * bump(x - edge - 0.01, 0.025)
    blade *= smoothstep(y + 0.68, 0.2) * smoothstep(0.12 - y, 0.2)
    head = np.hypot(x - max(chest.half_width) - 0.26, 1.0 * (y + 0.62)) - 0.13
    blade += 1.6 * smoothstep(-head, 0.03) + 0.8 * bump(head + 0.01, 0.02)
    layer[rows] += 0.08 * blade


def vessels(chest: Chest, rng: Generator) -> Layer:
    """Hilar vessels that branch and thin towards the periphery."""
    hila = {sign: (sign * 0.15, -0.12 - 0.02 * sign) for sign in (-1, 1)}
    trees = [_tree(hilum, sign, rng) for sign, hilum in hila.items()]
    layer = np.zeros(chest.canvas.shape, np.float32)
    for (_, width, _, _), branches in zip(_GENERATIONS, zip(*trees, strict=True), strict=True):
        drawn = draw_lines(chest.canvas, np.concatenate(branches), width=width)
        np.maximum(layer, drawn, out=layer)
    for x, y in hila.values():
        q = np.square((chest.canvas.x - x) / 0.08) + np.square((chest.canvas.y - y - 0.03) / 0.15)
        layer += np.float32(rng.uniform(0.6, 1.1)) * bump(q, 1.6)
    layer *= chest.lung
    layer *= np.float32(rng.uniform(0.06, 0.14))
    return layer


_GENERATIONS = ((12, 0.022, 0.30, 0.0), (3, 0.011, 0.20, 0.45), (3, 0.006, 0.14, 0.5))
# branches per parent, width, length, spread in radians


def _tree(hilum: tuple[float, float], sign: int, rng: Generator) -> list[Lines]:
    # The branches of each generation on one side.
    tree: list[Lines] = []
    starts: np.ndarray = np.array([hilum]) + rng.normal(0, 0.03, (1, 2))
    angles: np.ndarray = np.zeros(1)
    for count, _, length, spread in _GENERATIONS:
        starts = np.repeat(starts, count, axis=0)
        angles = np.repeat(angles, count)
        turn = rng.normal(0, spread, len(angles)) if spread else np.linspace(-1.35, 1.35, count)
        angles = angles + turn + rng.normal(0, 0.1, len(angles))
        reach = length * rng.uniform(0.5, 1.2, len(angles))
        bend = angles + rng.normal(0.12, 0.2, len(angles))
        middle = starts + _step(angles, reach / 2, sign)
        ends = middle + _step(bend, reach / 2, sign)
        tree.append(np.stack([starts, middle, ends], axis=1).astype(np.float32))
        starts, angles = ends, bend
    return tree


def _step(angle: np.ndarray, reach: np.ndarray, sign: int) -> np.ndarray:
    return np.stack([sign * np.cos(angle) * reach, np.sin(angle) * reach * 1.25], axis=1)


def breasts(chest: Chest, rng: Generator) -> Layer:
    """Shadows over the lower zones, densest at their lower edge."""
    if not chest.person.breast:
        return np.zeros(chest.canvas.shape, np.float32)
    size, low = rng.uniform(0.26, 0.36), chest.dome[0] + rng.normal(-0.02, 0.06)
    x, y = np.abs(chest.canvas.x) - 0.48 + rng.normal(0, 0.02), chest.canvas.y - low
    q = np.square(x / size) + np.square((y + 0.12) / (0.9 * size))
    layer = smoothstep(1 - q, 0.45)
    layer *= chest.person.breast * smoothstep(y + 0.3, 0.5)
    return layer
