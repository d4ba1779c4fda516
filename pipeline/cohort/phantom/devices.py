"""Tubes, lines, leads and side markers: on many films, whatever the findings."""

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy.random import Generator

from pipeline.cohort.phantom.anatomy import Chest
from pipeline.cohort.phantom.canvas import Layer, Lines, draw_lines


def devices(chest: Chest, rng: Generator) -> Layer:
    """Endotracheal tube, central line, feeding tube and leads, more of them when supine."""
    layer = np.zeros(chest.canvas.shape, np.float32)
    often = 0.4 if chest.supine else 0.05
    if rng.uniform() < 0.6 * often:
        layer += draw_lines(chest.canvas, _endotracheal(rng), width=0.016, level=0.16)
    if rng.uniform() < often:
        layer += draw_lines(chest.canvas, _central_line(rng), width=0.010, level=0.22)
    if rng.uniform() < 0.6 * often:
        layer += draw_lines(chest.canvas, _feeding_tube(rng), width=0.010, level=0.18)
    if rng.uniform() < often:
        layer += draw_lines(chest.canvas, _leads(rng), width=0.008, level=0.2)
    return layer


def _endotracheal(rng: Generator) -> Lines:
    tip = rng.uniform(-0.5, -0.3)
    return np.array([[[0.0, -1.2], [-0.01, -0.8], [-0.015, tip]]], np.float32)


def _central_line(rng: Generator) -> Lines:
    sign = rng.choice((-1.0, 1.0))
    t = np.linspace(0, 1, 12)
    x = sign * 0.42 * (1 - t) ** 1.5 - 0.11 * t
    y = -0.72 - 0.1 * np.sin(np.pi * t) + (rng.uniform(0.55, 0.75)) * t**2
    return np.stack([x, y], axis=1)[None].astype(np.float32)


def _feeding_tube(rng: Generator) -> Lines:
    y = np.linspace(-1.2, 0.75, 12)
    x = 0.02 * np.sin(2.5 * y + rng.uniform(0, 6)) + 0.3 * np.clip(y - 0.4, 0, 1)
    return np.stack([x, y], axis=1)[None].astype(np.float32)


def _leads(rng: Generator) -> Lines:
    start = np.stack([rng.uniform(-0.5, 0.5, 2), rng.uniform(-0.4, 0.3, 2)], axis=1)
    end = np.stack([rng.choice((-1.2, 1.2), 2), rng.uniform(0.0, 1.0, 2)], axis=1)
    t = np.linspace(0, 1, 10)[None, :, None]
    sag = 0.18 * np.sin(np.pi * t) * np.array([0.0, 1.0])
    lines: Lines = (start[:, None] * (1 - t) + end[:, None] * t + sag).astype(np.float32)
    return lines


def side_marker(
    picture: UInt8[np.ndarray, "size size"], rng: Generator
) -> UInt8[np.ndarray, "size size"]:
    """Put a lead letter in an upper corner: L on the image's right, R on its left."""
    size = len(picture)
    letter = "L" if rng.uniform() < 0.8 else "R"
    x = rng.uniform(0.88, 0.94) if letter == "L" else rng.uniform(0.04, 0.08)
    at = (round(x * size), round(rng.uniform(0.06, 0.2) * size))
    cv2.putText(
        picture,
        letter,
        at,
        cv2.FONT_HERSHEY_SIMPLEX,
        size / 640,
        int(rng.integers(200, 256)),
        1,
        cv2.LINE_AA,
    )
    return picture
