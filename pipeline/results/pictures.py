"""Radiographs of the report: which ones, and what is drawn on them."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import matplotlib as mpl
import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from pipeline.artifacts.heatmaps import Maps
from pipeline.artifacts.shards import Shards
from pipeline.attention.crop import heatmap_box
from pipeline.attention.grid import draw_on_image
from pipeline.findings import FINDINGS
from pipeline.grid import Grid
from pipeline.results.cases import CORNERS
from pipeline.results.localisation import finding_map
from pipeline.results.overlap import box_iou

COLOUR_MAP = "inferno"
"""Perceptually uniform, and monotone in lightness: it survives grey print."""

OPACITY = 0.6
"""Of the overlay where a heatmap is at its maximum; nought where the map is nought."""

SIDE_PX = 288
_JPEG_QUALITY = 82

Box = Float[np.ndarray, "4"]


@dataclass(frozen=True)
class Radiographs:
    """Everything of the test images that a picture may show."""

    images: Shards
    index: pd.DataFrame
    predictions: pd.DataFrame
    """Of the ensemble (schema PREDICTIONS)."""
    boxes: pd.DataFrame
    crops: pd.DataFrame
    heatmaps: Mapping[str, Maps]


class Picture(NamedTuple):
    """One radiograph of a finding, ready for the page."""

    image_index: str
    finding: str
    place: str
    """ "highest", "median", ... among the positives, by probability."""
    rank: int
    positives: int
    prob: float
    labels: list[str]
    about: str
    """Age, gender, view, as far as known."""
    plain: str
    """JPEG, as a data URI."""
    overlay: str
    truths: list[Box]
    predicted: Box | None
    crop: Box
    iou: float | None
    """Of the predicted with the best matching true box; None where there is no true box."""


def draw_examples(
    radiographs: Radiographs, *, examples: int, threshold: float
) -> dict[str, list[Picture]]:
    """Per finding up to `examples` test images that have it, from the surest to the most missed.

    They lie at even ranks among the test images that are labelled with the finding, by the
    ensemble's probability; only images with a radiologist's box count where there are enough.

    Args:
        radiographs: of one member.
        examples: per finding.
        threshold: of the predicted box, as in `heatmap_box`.
    """
    test = radiographs.predictions[radiographs.predictions["split"] == "test"]
    labels = radiographs.index.set_index("image_index")
    return {
        finding: [
            _picture(radiographs, finding, image_index, rank, len(ranked), threshold)
            for image_index, rank in _even(ranked, examples)
        ]
        for finding in FINDINGS
        for ranked in [_ranked_positives(test, labels, radiographs.boxes, finding, examples)]
    }


def heatmap_method(heatmaps: Mapping[str, Maps]) -> str:
    """The maps to show: of the finding where there are any, else the attention map."""
    return "cam" if "cam" in heatmaps else next(iter(heatmaps))


def _ranked_positives(
    test: pd.DataFrame, labels: pd.DataFrame, boxes: pd.DataFrame, finding: str, examples: int
) -> list[str]:
    positive = labels.loc[test["image_index"], finding].to_numpy(bool)
    ranked = test[positive].sort_values([finding, "image_index"], ascending=[False, True])
    boxed = ranked["image_index"].isin(boxes.loc[boxes["finding"] == finding, "image_index"])
    return list((ranked[boxed] if boxed.sum() >= max(examples, 1) else ranked)["image_index"])


def _even(ranked: list[str], examples: int) -> list[tuple[str, int]]:
    places = np.unique(np.linspace(0, len(ranked) - 1, min(examples, len(ranked))).astype(int))
    return [(ranked[place], int(place) + 1) for place in places]


def _picture(
    radiographs: Radiographs,
    finding: str,
    image_index: str,
    rank: int,
    positives: int,
    threshold: float,
) -> Picture:
    row = int(np.flatnonzero(radiographs.index["image_index"] == image_index)[0])
    image = _fit(radiographs.images[row])
    method = heatmap_method(radiographs.heatmaps)
    maps = radiographs.heatmaps[method]
    heatmap = finding_map(maps, row, finding)
    truths = _boxes(radiographs.boxes[radiographs.boxes["finding"] == finding], image_index)
    predicted = heatmap_box(heatmap, maps.grid, threshold=threshold)
    about = radiographs.index.iloc[row]
    probs = radiographs.predictions.set_index("image_index")[finding]
    return Picture(
        image_index=image_index,
        finding=finding,
        place=_place(rank, positives),
        rank=rank,
        positives=positives,
        prob=float(probs.loc[[image_index]].iloc[0]),
        labels=[name for name in FINDINGS if about[name]],
        about=_about(about),
        plain=_jpeg(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)),
        overlay=_jpeg(overlay(image, heatmap, maps.grid)[:, :, ::-1]),
        truths=truths,
        predicted=predicted,
        crop=_boxes(radiographs.crops, image_index)[0],
        iou=_iou(predicted, truths),
    )


def overlay(
    image: UInt8[np.ndarray, "h w"], heatmap: Float[np.ndarray, "a b"], grid: Grid
) -> UInt8[np.ndarray, "h w 3"]:
    """The radiograph under its heatmap: RGB, the map scaled by its maximum and interpolated."""
    height, width = image.shape
    fine = draw_on_image(np.maximum(heatmap, 0), grid, height=height, width=width)
    fine = fine / max(float(fine.max()), np.finfo(np.float32).tiny)
    colour = mpl.colormaps[COLOUR_MAP](fine)[:, :, :3]
    alpha = OPACITY * fine[:, :, None]
    mixed = (1 - alpha) * image[:, :, None] + alpha * 255 * colour
    return np.asarray(np.rint(mixed), np.uint8)


def _fit(image: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "s s"]:
    """At most SIDE_PX on a side: the page stays small."""
    side = min(SIDE_PX, *image.shape)
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA))


def _jpeg(image: UInt8[np.ndarray, "h w 3"]) -> str:
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(image), quality)[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


def _boxes(table: pd.DataFrame, image_index: str) -> list[Box]:
    return list(table.loc[table["image_index"] == image_index, CORNERS].to_numpy(np.float64))


def _iou(predicted: Box | None, truths: list[Box]) -> float | None:
    if not truths:
        return None
    return 0.0 if predicted is None else float(box_iou(predicted[None], np.stack(truths)).max())


def _place(rank: int, positives: int) -> str:
    named = {(positives + 1) // 2: "median", positives: "lowest", 1: "highest"}
    return named.get(rank, f"rank {rank}")


def _about(image: pd.Series) -> str:
    age = "age unknown" if pd.isna(image["age_years"]) else f"{image['age_years']:.0f} years"
    return f"{age}, {image['gender']}, {image['view_position']}"
