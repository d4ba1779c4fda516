"""What the test images of one member have that a picture may show."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline.attention.crop import BoxRule, heatmap_box
from pipeline.attention.heatmaps import Maps
from pipeline.base.findings import FINDINGS
from pipeline.base.grid import Grid
from pipeline.base.shards import Shards, expect_rows
from pipeline.results.localisation.boxed_findings import CORNERS
from pipeline.results.localisation.detections import finding_map
from pipeline.results.localisation.overlap import box_iou
from pipeline.results.pictures.gallery import Box

K = TypeVar("K")


class Seen(NamedTuple):
    """One method's heatmap of a finding on an image, and what is drawn over it."""

    heatmap: Float[np.ndarray, "h w"]
    grid: Grid
    predicted: Box | None
    iou: float | None
    """Of the predicted with the best matching true box; None where there is no true box."""


@dataclass(frozen=True)
class Radiographs:
    """Everything of the test images that a picture may show."""

    images: Shards
    index: pd.DataFrame
    predictions: pd.DataFrame
    """Of the ensemble (schema PREDICTIONS)."""
    boxes: pd.DataFrame
    crops: pd.DataFrame
    """Of the member."""
    heatmaps: Mapping[str, Maps]
    """Of the member, by method."""
    rule: BoxRule
    """By which a heatmap becomes the predicted box."""

    def __post_init__(self) -> None:
        expect_rows(len(self.images), self.index, of="images")

    @cached_property
    def rows(self) -> dict[str, int]:
        """Of each image in the index, by its name."""
        return {str(name): row for row, name in enumerate(self.index["image_index"])}

    @cached_property
    def test(self) -> pd.DataFrame:
        """The ensemble's probabilities of the test images, by name."""
        test = self.predictions[self.predictions["split"] == "test"]
        return test.set_index("image_index")[list(FINDINGS)]

    def seen(self, name: str, finding: str, method: str) -> Seen:
        """A method's heatmap of a finding on an image, and the box that it draws."""
        maps, truths = self.heatmaps[method], self.truths(name, finding)
        heatmap = finding_map(maps, self.rows[name], finding)
        box = heatmap_box(heatmap, maps.grid, self.rule)
        iou = None
        if truths:
            iou = 0.0 if box is None else float(box_iou(box[None], np.stack(truths)).max())
        return Seen(heatmap, maps.grid, box, iou)

    def truths(self, name: str, finding: str) -> list[Box]:
        """The true boxes of a finding on an image."""
        return self._truths.get((name, finding), [])

    def crops_of(self, name: str) -> list[Box]:
        """What the local branch sees of an image."""
        return self._crops.get(name, [])

    def boxed(self, finding: str) -> list[str]:
        """The test images that have a box of a finding, as the test images lie."""
        with_box = {image for image, what in self._truths if what == finding}
        return [name for name in self.test.index if name in with_box]

    @cached_property
    def _truths(self) -> dict[tuple[str, str], list[Box]]:
        names = zip(self.boxes["image_index"], self.boxes["finding"], strict=True)
        return _gathered(names, self.boxes)

    @cached_property
    def _crops(self) -> dict[str, list[Box]]:
        return _gathered(self.crops["image_index"], self.crops)


def _gathered(keys: Iterable[K], table: pd.DataFrame) -> dict[K, list[Box]]:
    found: dict[K, list[Box]] = {}
    for key, box in zip(keys, table[CORNERS].to_numpy(np.float64), strict=True):
        found.setdefault(key, []).append(box)
    return found
