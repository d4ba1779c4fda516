"""One chest: how a person's build, a breath and the findings shape it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32
from numpy.random import Generator

from pipeline.cohort.phantom.canvas import Canvas, smoothstep

SPINE = 0.085
"""Half width of the vertebral column."""


@dataclass(frozen=True)
class Person:
    """What all images of a patient share, in chest units."""

    gender: Literal["M", "F"]
    age_years: int
    half_width: float
    asymmetry: float
    apex: float
    dome: float
    heart: float
    knob: float
    rib_gap: float
    rib_phase: float
    thickness: float
    breast: float


def draw_person(rng: Generator, *, gender: Literal["M", "F"], age_years: int) -> Person:
    """A build: men are broader, women have breast shadows, age unfolds the aorta."""
    female = gender == "F"
    return Person(
        gender=gender,
        age_years=age_years,
        half_width=float(np.clip(rng.normal(0.76 if female else 0.82, 0.035), 0.66, 0.92)),
        asymmetry=rng.normal(0, 0.015),
        apex=rng.normal(-0.80, 0.035),
        dome=rng.normal(0.36, 0.075),
        heart=float(np.clip(rng.normal(0.435, 0.025), 0.38, 0.485)),
        knob=float(np.clip(rng.normal(0.03 + 0.0007 * age_years, 0.015), 0.01, 0.12)),
        rib_gap=rng.normal(0.142, 0.008),
        rib_phase=rng.uniform(),
        thickness=float(np.clip(rng.normal(0.56, 0.09), 0.38, 0.8)),
        breast=rng.uniform(0.05, 0.16) if female else 0.0,
    )


@dataclass(frozen=True)
class Chest:
    """The shapes of one image; index 0 is the image's left (the patient's right)."""

    canvas: Canvas
    person: Person
    supine: bool
    half_width: tuple[float, float]
    apex: float
    dome: tuple[float, float]
    base: float
    """Level of the costophrenic angles."""
    heart: tuple[float, float]
    """Reach of the heart to either side of the spine."""
    heart_y: float
    inside: Float32[np.ndarray, "h w"]
    """Distance to the inner chest wall; negative outside."""
    above: Float32[np.ndarray, "h w"]
    """Distance to the diaphragm below; negative in the abdomen."""
    lung: Float32[np.ndarray, "h w"]
    """1 in the lungs (also behind the heart), 0 elsewhere."""
    abdomen: Float32[np.ndarray, "h w"]
    """1 below the diaphragm, 0 above."""

    def height(self, share: float) -> float:
        """Level at `share` of the lungs' height: 0 at the apices, 1 at the domes."""
        return self.apex + share * (max(self.dome) - self.apex)

    def wall(self, y: float, side: int) -> float:
        """|x| of the inner chest wall at level y."""
        return float(_wall(np.array([y]), self.apex, self.base)[0]) * self.half_width[side]

    def side_mask(self, side: int) -> Float32[np.ndarray, "1 w"]:
        """1 on one side of the spine."""
        mask: Float32[np.ndarray, "1 w"] = ((self.canvas.x > 0) == bool(side)).astype(np.float32)
        return mask


def build_chest(
    surface: Canvas,
    person: Person,
    rng: Generator,
    *,
    supine: bool,
    severities: dict[str, float],
    volume_loss_side: int,
) -> Chest:
    """The chest of one image: person, breath and the findings that change its shape.

    Supine (AP) images are taken in a shallower breath, with higher domes and a larger heart.
    """
    breath = rng.normal(-0.09 if supine else 0.0, 0.045)
    emphysema = severities.get("Emphysema", 0.0)
    width = person.half_width * (1 + 0.02 * emphysema)
    dome = person.dome + breath + 0.08 * emphysema
    domes = [dome, dome + rng.normal(0.055, 0.015)]
    domes[volume_loss_side] -= 0.13 * severities.get("Atelectasis", 0.0)
    base = max(domes) + 0.16 * (1 - 0.6 * emphysema)
    apex = person.apex + 0.3 * breath - 0.05 * emphysema
    half_width = (width * (1 + person.asymmetry), width * (1 - person.asymmetry))
    heart = _heart(person, rng, width=width, supine=supine, severities=severities)

    across = np.where(surface.x < 0, np.float32(half_width[0]), np.float32(half_width[1]))
    inside = _wall(surface.y, apex, base) * across - np.abs(surface.x)
    dome_line = _dome_line(surface.x, domes, half_width, flat=emphysema)
    above = dome_line - surface.y
    abdomen = smoothstep(-above, 0.018)
    lung = smoothstep(inside, 0.02) * (1 - abdomen)
    lung *= smoothstep(np.abs(surface.x) - SPINE, 0.05)
    return Chest(
        canvas=surface,
        person=person,
        supine=supine,
        half_width=half_width,
        apex=apex,
        dome=(domes[0], domes[1]),
        base=base,
        heart=heart,
        heart_y=min(domes) - 0.17,
        inside=inside,
        above=above,
        lung=lung,
        abdomen=abdomen,
    )


def _heart(
    person: Person, rng: Generator, *, width: float, supine: bool, severities: dict[str, float]
) -> tuple[float, float]:
    large = severities.get("Cardiomegaly", 0.0)
    ratio = person.heart + rng.normal(0.025 if supine else 0.0, 0.008)  # cardiothoracic ratio
    ratio *= 1 - 0.26 * severities.get("Emphysema", 0.0)
    ratio += 0.08 + 0.18 * large if large else 0.0
    right = rng.uniform(0.28, 0.36)
    return 2 * width * ratio * right, 2 * width * ratio * (1 - right)


def _wall(y: np.ndarray, apex: float, base: float) -> np.ndarray:
    # An arch: narrow at the apex, widest just above the base.
    t = np.clip((y - apex) / (base - apex), 0, 1.15)
    arch: np.ndarray = (1 - np.abs(1 - np.minimum(t, 1)) ** 2.5) ** 0.48
    return arch - 0.05 * np.maximum(t - 0.75, 0)


def _dome_line(
    x: np.ndarray, domes: list[float], half_width: tuple[float, float], *, flat: float
) -> np.ndarray:
    lines = []
    for level, width in zip(domes, half_width, strict=True):
        u = np.abs(x) / width
        lateral = np.maximum(u - 0.42, 0) / 0.58
        medial = np.maximum(0.42 - u, 0) / 0.42
        drop = 0.20 * (1 - 0.65 * flat)
        lines.append(level + drop * lateral**2.4 + 0.05 * (1 - 0.6 * flat) * medial**2)
    line: np.ndarray = np.where(x < 0, lines[0], lines[1]).astype(np.float32)
    return line
