"""Radiographs with heatmaps, ready for the page: a JSON file that holds JPEGs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from pipeline.base.files import read_json, write_json
from pipeline.base.findings import FINDINGS

Box = Float[np.ndarray, "4"]


class Panel(NamedTuple):
    """A radiograph under one method's heatmap of a finding."""

    method: str
    overlay: str
    """JPEG, as a data URI."""
    predicted: Box | None
    iou: float | None
    """Of the predicted with the best matching true box; None where there is no true box."""


class Picture(NamedTuple):
    """One radiograph of a finding, ready for the page."""

    image_index: str
    finding: str
    place: str
    """Where it stands among `of` like it, from best to worst: "best", "median", "rank 7", ..."""
    of: int
    by: str
    """What orders them: "IoU" or "probability"."""
    prob: float
    likely: list[tuple[str, float]]
    """The three most probable findings."""
    labels: list[str]
    about: str
    """Age, gender, view, as far as known."""
    plain: str
    """JPEG, as a data URI."""
    panels: list[Panel]
    truths: list[Box]
    crops: list[Box]


class Gallery(NamedTuple):
    """All pictures of a page."""

    method: str
    """Whose heatmap the examples are under."""
    examples: Mapping[str, list[Picture]]
    """By finding, from the best to the worst."""
    compared: list[Picture]
    """One of each finding, under every method's heatmap."""


def write_gallery(gallery: Gallery, path: Path) -> None:
    """Write pictures and what is known of them."""
    examples = {name: [_plain(one) for one in some] for name, some in gallery.examples.items()}
    compared = [_plain(one) for one in gallery.compared]
    write_json({"method": gallery.method, "examples": examples, "compared": compared}, path)


def read_gallery(path: Path) -> Gallery:
    """What `write_gallery` wrote, findings in their order."""
    found = read_json(path)
    examples = found["examples"]
    return Gallery(
        found["method"],
        {name: [_picture(one) for one in examples[name]] for name in FINDINGS if name in examples},
        [_picture(one) for one in found["compared"]],
    )


def _plain(picture: Picture) -> dict[str, Any]:
    return picture._asdict() | {
        "panels": [
            panel._asdict() | {"predicted": _numbers(panel.predicted)} for panel in picture.panels
        ],
        "truths": [_numbers(box) for box in picture.truths],
        "crops": [_numbers(box) for box in picture.crops],
    }


def _numbers(box: Box | None) -> list[float] | None:
    return None if box is None else [float(edge) for edge in box]


def _picture(found: dict[str, Any]) -> Picture:
    return Picture(
        **found
        | {
            "likely": [(name, prob) for name, prob in found["likely"]],
            "panels": [
                Panel(**panel | {"predicted": _box(panel["predicted"])})
                for panel in found["panels"]
            ],
            "truths": [np.array(box, np.float64) for box in found["truths"]],
            "crops": [np.array(box, np.float64) for box in found["crops"]],
        }
    )


def _box(edges: list[float] | None) -> Box | None:
    return None if edges is None else np.array(edges, np.float64)
