"""A member's networks on images that are at hand: as its stages see those of the cohort."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.attention.crop import cut_sheet
from pipeline.attention.extract import see
from pipeline.attention.heatmaps import Maps
from pipeline.attention.place import place
from pipeline.fusion.head import Fusion, JointFusion, mirrored_branches
from pipeline.fusion.metadata import MetadataEncoder
from pipeline.networks.augment import to_unit
from pipeline.networks.branch import Branch
from pipeline.networks.device import settle
from pipeline.networks.layers import find_layer
from pipeline.networks.mirror import mirrored
from pipeline.networks.rows import resized
from pipeline.params.sections import CropParams, HeatmapParams


@dataclass(frozen=True)
class Rules:
    """What the stages between the networks go by."""

    heatmap: HeatmapParams
    crop: CropParams
    flip_at_predict: bool


@dataclass(frozen=True)
class Seen:
    """What a member makes of a batch of images, be it of one."""

    probabilities: dict[str, Float[np.ndarray, "b f"]]
    """Of "global", "local" and "fusion"; the last is the member's vote."""
    heatmaps: dict[str, Maps]
    """Of the global branch, by method."""
    crop_boxes: Float[np.ndarray, "b boxes 4"]
    """xyxy, fractions of the image."""
    crop_sources: list[list[tuple[str, str | None]]]
    """What drew each crop of each image, and of which findings; see `place`."""
    crops: UInt8[np.ndarray, "b c c"]
    pooled: Float[np.ndarray, "b k"]
    """Features of the global branch."""

    def of(self, row: int) -> "Seen":
        """The same of one image, without the memory of the others."""
        at = slice(row, row + 1)
        return Seen(
            {name: one[at].copy() for name, one in self.probabilities.items()},
            {name: Maps(one.shards[row][None].copy(), one.grid)
             for name, one in self.heatmaps.items()},
            self.crop_boxes[at].copy(), self.crop_sources[at], self.crops[at].copy(),
            self.pooled[at].copy(),
        )  # fmt: skip


class Member:
    """A global and a local branch, and the head that joins them.

    The branches are those of their own stages; a head that was trained through branches has
    copies of its own, which then vote, while the crop is that of the first.
    """

    def __init__(
        self,
        global_: Branch,
        local: Branch,
        fusion: Fusion | JointFusion,
        encoder: MetadataEncoder,
        rules: Rules,
    ) -> None:
        self._global, self._local = global_.eval(), local.eval()
        self._fusion = mirrored_branches(fusion, on=rules.flip_at_predict).eval()
        self._encoder, self._rules = encoder, rules
        self._layer = find_layer(global_, rules.heatmap.layer)
        for network in (self._global, self._local, self._fusion):
            self._device = settle(network)

    @property
    def asks(self) -> tuple[str, ...]:
        """What it wants to know of a patient: some of METADATA."""
        return self._encoder.features

    @property
    def backbones(self) -> str:
        """Of the global and the local branch: resnet18 + resnet18."""
        return f"{self._global.spec.backbone} + {self._local.spec.backbone}"

    @torch.no_grad()
    def see(self, images: UInt8[np.ndarray, "b s s"], patients: pd.DataFrame) -> Seen:
        """Look at a batch.

        Args:
            images: at the cache's size.
            patients: age_years, gender and view_position of each, missing where not known.
        """
        rules, size = self._rules, self._global.spec.input_size
        whole = resized(images, size).to(self._device)
        with torch.enable_grad():  # some heatmaps take gradients
            seen = see(
                self._global, self._layer, whole, rules.heatmap.methods, flip=rules.flip_at_predict
            )
        pooled = seen.pop("pooled")
        heatmaps = {name: Maps(grids, self._layer.grid) for name, grids in seen.items()}
        logits = self._global.logits(self._given(pooled)).cpu()
        prior = self._global.prior.cpu().numpy()
        placed = [
            place(heatmaps, row, one, prior, rules.crop) for row, one in enumerate(logits.numpy())
        ]
        boxes = np.array([[one.box for one in crops] for crops in placed])
        crops = np.stack(
            [
                cut_sheet(image, own, size=rules.crop.input_size)
                for image, own in zip(images, boxes, strict=True)
            ]
        )
        cut = resized(crops, self._local.spec.input_size).to(self._device)
        local = mirrored(self._local, on=rules.flip_at_predict).pooled(to_unit(cut))
        known = self._given(self._encoder.encode(patients).astype(np.float32))
        found: Mapping[str, Tensor] = {
            "global": logits,
            "local": self._local.logits(local),
            "fusion": self._joined(whole, cut, self._given(pooled), local, known),
        }
        return Seen(
            {name: one.float().sigmoid().cpu().numpy() for name, one in found.items()},
            heatmaps, boxes, [[(one.source, one.finding) for one in own] for own in placed], crops,
            pooled,
        )  # fmt: skip

    def _given(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self._device)

    def _joined(
        self, images: Tensor, crops: Tensor, pooled: Tensor, local: Tensor, known: Tensor
    ) -> Float[Tensor, "b f"]:
        if isinstance(self._fusion, JointFusion):
            logits: Tensor = self._fusion(to_unit(images), to_unit(crops), known)
        else:
            logits = self._fusion(torch.cat([pooled, local, known], dim=1))
        return logits
