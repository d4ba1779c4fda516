"""What a reader sees of a doubtful label: the radiograph, and where the network looks for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from jaxtyping import UInt8

from pipeline.attention.crop import BoxRule, heatmap_box
from pipeline.attention.heatmaps import Maps
from pipeline.base.members import STUDIED
from pipeline.base.shards import Shards, expect_rows
from pipeline.cohort.reading.image_files import image_key, is_image
from pipeline.cohort.reading.images import decode_grey
from pipeline.errors import CohortError
from pipeline.results.localisation.boxed_findings import CORNERS
from pipeline.results.localisation.detections import finding_map
from pipeline.results.pictures.gallery import Box, Panel
from pipeline.results.pictures.overlays import fit, jpeg_uri, overlay

Radiograph = Callable[[str], UInt8[np.ndarray, "h w"] | None]
"""An image by its name; None where there is none."""


class SuspectPicture(NamedTuple):
    """A radiograph on the page, with the parts of a `Picture` that are drawn."""

    plain: str
    """JPEG, as a data URI."""
    panel: Panel | None
    """The same under its heatmap of the finding; None without one."""
    truths: list[Box]
    """Radiologists' boxes of the finding."""
    crops: list[Box]
    """None: a crop tells of the image, and not of the label."""


@dataclass(frozen=True)
class Heatmaps:
    """One method's maps of one member."""

    name: str
    """`<member>'s <method>`"""
    maps: Maps
    rows: Mapping[str, int]
    """Of images in the maps, by name."""
    rule: BoxRule
    """By which a map becomes a box."""


def drawing_member(system: str, systems: Mapping[str, Any]) -> str:
    """Whose heatmaps explain probabilities: the member's own, where they are a member's.

    Of the ensemble or a file: those of the global branch, which draws them, that does best on
    validation; the member under study, where there is no validation.

    Args:
        system: that judges; "" of a file.
        systems: metrics/systems.json.
    """
    draws = {
        name.removesuffix(_DRAWS): found.get("val_mean_auroc", 0.0)
        for name, found in systems.items()
        if name.endswith(_DRAWS)
    }
    own = system.partition(".")[0]
    if own in draws:
        return own
    return max(draws, key=lambda name: (draws[name], name == STUDIED), default=STUDIED)


_DRAWS = ".global"


def cached_radiographs(images: Shards, index: pd.DataFrame) -> Radiograph:
    """Radiographs of a run's cache.

    Args:
        images: of the whole cohort.
        index: their names, in their order.
    """
    expect_rows(len(images), index, of="images")
    rows = {str(name): row for row, name in enumerate(index["image_index"])}
    return lambda name: images[rows[name]]


def loose_radiographs(folder: Path) -> Radiograph:
    """Radiographs in files anywhere below a folder, whatever their ending.

    Raises:
        CohortError: no such folder, or no radiograph in it.
    """
    if not folder.is_dir():
        raise CohortError(f"{folder}: no such folder; expected one of radiographs")
    files = {image_key(path.name): path for path in folder.rglob("*") if is_image(path.name)}
    if not files:
        raise CohortError(f"{folder}: holds no radiograph (.png, .jpg, .dcm)")

    def read(name: str) -> UInt8[np.ndarray, "h w"] | None:
        path = files.get(image_key(name))
        return None if path is None else _decoded(path)

    return read


def draw_suspect(
    name: str,
    finding: str,
    radiograph: Radiograph,
    heatmaps: Heatmaps | None,
    boxes: pd.DataFrame | None,
) -> SuspectPicture | None:
    """The picture of one label; None where its radiograph is not at hand.

    Args:
        name: of the image.
        finding: that the label is of.
        radiograph: by name.
        heatmaps: where there are any.
        boxes: radiologists' (schema BOXES), where there are any.
    """
    whole = radiograph(name)
    if whole is None:
        return None
    image = fit(whole)
    truths = [] if boxes is None else _truths(boxes, name, finding)
    panel = None if heatmaps is None else _panel(image, name, finding, heatmaps)
    plain = jpeg_uri(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    return SuspectPicture(plain, panel, truths, [])


def _panel(image: UInt8[np.ndarray, "h w"], name: str, finding: str, drawn: Heatmaps) -> Panel:
    heatmap = finding_map(drawn.maps, drawn.rows[name], finding)
    under = jpeg_uri(overlay(image, heatmap, drawn.maps.grid)[:, :, ::-1])
    return Panel(drawn.name, under, heatmap_box(heatmap, drawn.maps.grid, drawn.rule), None)


def _truths(boxes: pd.DataFrame, name: str, finding: str) -> list[Box]:
    here = boxes["image_index"].eq(name) & boxes["finding"].eq(finding)
    return list(boxes.loc[here, CORNERS].to_numpy(np.float64))


def _decoded(path: Path) -> UInt8[np.ndarray, "h w"]:
    try:
        return decode_grey(path.read_bytes()).pixels
    except CohortError as error:
        raise CohortError(f"{path}: {error}") from None
