"""What a finding leaves on the film."""

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from pipeline.cohort.phantom.anatomy import Chest
from pipeline.cohort.phantom.canvas import Layer


@dataclass(frozen=True)
class Mark:
    """A finding as drawn on the canvas."""

    layer: Layer
    """Attenuation to add."""
    region: Layer
    """Where the finding is, in [0, 1]; a box is drawn around it."""
    clears: Layer | None = None
    """Share of the vessels and opacities that is gone, in [0, 1]."""


Signature = Callable[[Chest, float, Generator, int], Mark]
"""(chest, severity in (0, 1], generator, side: 0 image left, 1 image right) to mark."""
