"""Radiographs of the report: which ones, and what is drawn on them."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, get_args

import cv2
import matplotlib as mpl
import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from pipeline.attention.crop import BoxRule, heatmap_box
from pipeline.attention.drawing import draw_on_image
from pipeline.attention.heatmaps import Maps
from pipeline.base.findings import FINDINGS
from pipeline.base.grid import Grid
from pipeline.base.shards import Shards, expect_rows
from pipeline.base.tables import findings_of, positive
from pipeline.params.names import HeatmapMethod
from pipeline.results.localisation.boxed_findings import CORNERS
from pipeline.results.localisation.detections import finding_map
from pipeline.results.localisation.overlap import box_iou
from pipeline.results.report.gallery import Box, Gallery, Panel, Picture

COLOUR_MAP = "inferno"
"""Perceptually uniform, and monotone in lightness: it survives grey print."""

OPACITY = 0.6
"""Of the overlay where a heatmap is at its maximum; nought where the map is nought."""

SIDE_PX = 288
_JPEG_QUALITY = 82


@dataclass(frozen=True)
class Radiographs:
    """Everything of the test images that a picture may show."""

    images: Shards
    index: pd.DataFrame
    predictions: pd.DataFrame
    """Of the branch that drew the heatmaps (schema PREDICTIONS)."""
    boxes: pd.DataFrame
    crops: pd.DataFrame
    heatmaps: Mapping[str, Maps]

    @cached_property
    def rows(self) -> dict[str, int]:
        """Of each image in the index, by its name."""
        return {str(name): row for row, name in enumerate(self.index["image_index"])}


def draw_gallery(radiographs: Radiographs, rule: BoxRule, *, examples: int) -> Gallery:
    """All pictures of the page.

    Args:
        radiographs: of one member.
        rule: by which a heatmap becomes the predicted box.
        examples: per finding.
    """
    expect_rows(len(radiographs.images), radiographs.index, of="images")
    ranked = _rankings(radiographs, examples, rule)
    return Gallery(
        heatmap_method(radiographs.heatmaps),
        _examples(radiographs, ranked, examples, rule),
        _compared(radiographs, ranked, rule),
    )


def draw_examples(
    radiographs: Radiographs, rule: BoxRule, *, examples: int
) -> dict[str, list[Picture]]:
    """Per finding up to `examples` test images that have it, from the best to the worst.

    Best is the greatest IoU of the predicted box, where enough of them have a radiologist's box;
    else the greatest probability. They lie at even ranks.

    Args:
        radiographs: of one member.
        rule: by which a heatmap becomes the predicted box.
        examples: per finding.
    """
    return _examples(radiographs, _rankings(radiographs, examples, rule), examples, rule)


def compare_methods(radiographs: Radiographs, rule: BoxRule, *, examples: int) -> list[Picture]:
    """The median of the test images that `draw_examples` orders, under every method's heatmap."""
    return _compared(radiographs, _rankings(radiographs, examples, rule), rule)


def heatmap_method(heatmaps: Mapping[str, Maps]) -> str:
    """The maps to show: of the finding where there are any, else the attention map."""
    specific = [name for name in get_args(HeatmapMethod) if name in heatmaps]
    return str(max(specific, key=lambda name: name != "attention"))


class _Ranked(NamedTuple):
    names: list[str]
    """Of test images that have the finding, from best to worst."""
    by: str


def _rankings(radiographs: Radiographs, examples: int, rule: BoxRule) -> dict[str, _Ranked]:
    return {finding: _ranked(radiographs, finding, max(examples, 1), rule) for finding in FINDINGS}


def _examples(
    radiographs: Radiographs, ranked: Mapping[str, _Ranked], examples: int, rule: BoxRule
) -> dict[str, list[Picture]]:
    shown = [heatmap_method(radiographs.heatmaps)]
    return {
        finding: [
            _picture(radiographs, finding, its, rank, shown, rule)
            for rank in _even(len(its.names), examples)
        ]
        for finding, its in ranked.items()
    }


def _compared(
    radiographs: Radiographs, ranked: Mapping[str, _Ranked], rule: BoxRule
) -> list[Picture]:
    methods = sorted(radiographs.heatmaps)
    return [
        _picture(radiographs, finding, its, (len(its.names) - 1) // 2, methods, rule)
        for finding, its in ranked.items()
        if its.names
    ]


def _ranked(radiographs: Radiographs, finding: str, examples: int, rule: BoxRule) -> _Ranked:
    test = radiographs.predictions[radiographs.predictions["split"] == "test"]
    labels = radiographs.index.set_index("image_index").loc[test["image_index"]]
    ranked = test[positive(labels, finding)].sort_values(
        [finding, "image_index"], ascending=[False, True]
    )
    names = list(ranked["image_index"])
    boxes = set(radiographs.boxes.loc[radiographs.boxes["finding"] == finding, "image_index"])
    boxed = [name for name in names if name in boxes]
    if len(boxed) < examples:
        return _Ranked(names, "probability")
    method = heatmap_method(radiographs.heatmaps)
    ious = {name: _predicted(radiographs, finding, name, method, rule)[1] for name in boxed}
    return _Ranked(sorted(boxed, key=lambda name: -(ious[name] or 0.0)), "IoU")


def _even(many: int, examples: int) -> list[int]:
    places = np.unique(np.linspace(0, many - 1, min(examples, many)).astype(int))
    return [int(place) for place in places]


def _picture(
    radiographs: Radiographs,
    finding: str,
    ranked: _Ranked,
    rank: int,
    methods: Sequence[str],
    rule: BoxRule,
) -> Picture:
    name = ranked.names[rank]
    row = radiographs.rows[name]
    image = fit(radiographs.images[row])
    about = radiographs.index.iloc[row]
    predictions = radiographs.predictions.set_index("image_index").loc[[name], list(FINDINGS)]
    probs = {str(other): float(prob) for other, prob in predictions.iloc[0].items()}
    return Picture(
        image_index=name,
        finding=finding,
        place=_place(rank, len(ranked.names)),
        of=len(ranked.names),
        by=ranked.by,
        prob=probs[finding],
        likely=sorted(probs.items(), key=lambda one: -one[1])[:3],
        labels=findings_of(about),
        about=age_gender_view(about),
        plain=jpeg_uri(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)),
        panels=[_panel(radiographs, image, finding, name, one, rule) for one in methods],
        truths=_truths(radiographs, finding, name),
        crops=_boxes(radiographs.crops, name),
    )


def _panel(
    radiographs: Radiographs,
    image: UInt8[np.ndarray, "h w"],
    finding: str,
    name: str,
    method: str,
    rule: BoxRule,
) -> Panel:
    maps = radiographs.heatmaps[method]
    heatmap = finding_map(maps, radiographs.rows[name], finding)
    under = jpeg_uri(overlay(image, heatmap, maps.grid)[:, :, ::-1])
    return Panel(method, under, *_predicted(radiographs, finding, name, method, rule))


def _predicted(
    radiographs: Radiographs, finding: str, name: str, method: str, rule: BoxRule
) -> tuple[Box | None, float | None]:
    """The heatmap's box, and its IoU with the best matching true one, where there is any."""
    maps, truths = radiographs.heatmaps[method], _truths(radiographs, finding, name)
    heatmap = finding_map(maps, radiographs.rows[name], finding)
    box = heatmap_box(heatmap, maps.grid, rule)
    if not truths:
        return box, None
    return box, 0.0 if box is None else float(box_iou(box[None], np.stack(truths)).max())


def _truths(radiographs: Radiographs, finding: str, name: str) -> list[Box]:
    return _boxes(radiographs.boxes[radiographs.boxes["finding"] == finding], name)


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


def fit(image: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "s s"]:
    """At most SIDE_PX on a side: the page stays small."""
    side = min(SIDE_PX, *image.shape)
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA))


def jpeg_uri(image: UInt8[np.ndarray, "h w 3"]) -> str:
    """A picture in BGR, as text that a page holds."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(image), quality)[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


def _boxes(table: pd.DataFrame, image_index: str) -> list[Box]:
    return list(table.loc[table["image_index"] == image_index, CORNERS].to_numpy(np.float64))


def _place(rank: int, many: int) -> str:
    named = {(many - 1) // 2: "median", many - 1: "worst", 0: "best"}
    return named.get(rank, f"rank {rank + 1}")


def age_gender_view(image: pd.Series) -> str:
    """What is known of who was imaged, and how."""
    age = "age unknown" if pd.isna(image["age_years"]) else f"{image['age_years']:.0f} years"
    others = [
        f"{name} unknown" if pd.isna(image[column]) else str(image[column])
        for name, column in (("gender", "gender"), ("view", "view_position"))
    ]
    return ", ".join((age, *others))
