"""Radiographs with heatmaps, ready for the page: a JSON file that holds JPEGs."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from pipeline.base.files import read_json, write_json

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
    of: int
    """So many test images have the finding, of which this one is the median."""
    by: str
    """What orders them: "IoU" or "probability"."""
    prob: float
    """Of the finding, by the ensemble."""
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

    member: str
    """Whose heatmaps and crops they show."""
    method: str
    """The heatmap that the examples are under."""
    examples: list[Picture]
    """One of each of some findings."""
    compared: list[Picture]
    """One of each finding, under every method's heatmap."""


def write_gallery(gallery: Gallery, path: Path) -> None:
    """Write pictures and what is known of them."""
    drawn = {name: [_plain(one) for one in getattr(gallery, name)] for name in _PICTURES}
    write_json({"member": gallery.member, "method": gallery.method} | drawn, path)


def read_gallery(path: Path) -> Gallery:
    """What `write_gallery` wrote."""
    found = read_json(path)
    drawn = {name: [_picture(one) for one in found[name]] for name in _PICTURES}
    return Gallery(**found | drawn)


_PICTURES = ("examples", "compared")


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
