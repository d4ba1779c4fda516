"""The whole ensemble, from pixels to calibrated probabilities, written for a graph."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor, nn

from pipeline.base.findings import FINDINGS
from pipeline.cohort.reading.images import THUMBNAIL_PX
from pipeline.predict.about.description import Call
from pipeline.predict.about.familiarity import Familiarity
from pipeline.predict.onnx.cutting import cut_boxes
from pipeline.predict.onnx.member_graph import MemberGraph
from pipeline.predict.onnx.numbers import exactly
from pipeline.predict.package import Package

_NEAREST_0, _NEAREST_1 = 2.0**-150, 1 - 2.0**-25
"""In place of exact 0 and 1, as `calibrate` has them."""

_LEAST_CONTRAST = 0.02
"""Of a thumbnail, as `Familiarity` has it."""


class ModelGraph(nn.Module):
    """As `pipeline.predict.model.Model.predict_prepared`, of tensors alone."""

    def __init__(self, members: Mapping[str, MemberGraph], package: Package) -> None:
        super().__init__()
        known = package.validation
        self._names, self._ranks_votes = list(members), package.about.vote == "rank"
        self.members = nn.ModuleList(members.values())
        self.scales = nn.ModuleList(Scale(known.votes[name]) for name in members)
        self.voted = Scale(known.voted)
        self.calibration = Calibrating(package.about.calls)
        self.familiar = Distance(package.familiar)

    @property
    def grids(self) -> dict[str, dict[str, Any]]:
        """Of each output of heatmaps, where its cells look."""
        return {
            f"heatmaps.{name}.{method}": one.layer.grid.about()
            for name, one in self._named()
            for method in one.methods
        }

    @property
    def outputs(self) -> list[str]:
        """Names of what `forward` gives, in order."""
        parts = ("raw", "probabilities", "above", "shares", "crop_boxes", "distance")
        return [*parts, *self.grids]

    @property
    def left_out(self) -> list[str]:
        """Heatmaps that it has not, as `<member>.<method>`."""
        return [f"{name}.{method}" for name, one in self._named() for method in one.left_out]

    def _named(self) -> list[tuple[str, MemberGraph]]:
        return list(zip(self._names, self.members, strict=True))  # type: ignore[arg-type]

    def forward(
        self,
        images: UInt8[Tensor, "b 1 s s"],
        age_years: Float32[Tensor, " b"],
        gender: Float32[Tensor, " b"],
        view: Float32[Tensor, " b"],
    ) -> tuple[Tensor, ...]:
        """See `outputs`."""
        grey = images.float()
        found = [one(grey, age_years, gender, view) for one in self.members]
        shares = torch.stack([one.share for one in found], dim=1)
        raw = self._voted(shares)
        boxes = torch.stack([one.crop_boxes for one in found], dim=1)
        maps = [grids for one in found for grids in one.heatmaps.values()]
        above = self.voted(raw).float()
        return raw, self.calibration(raw), above, shares, boxes, self.familiar(grey), *maps

    def _voted(self, shares: Float32[Tensor, "b m f"]) -> Float32[Tensor, "b f"]:
        votes = shares.double()
        if self._ranks_votes and len(self.members) > 1:
            ranks = [scale(one) for scale, one in zip(self.scales, shares.unbind(1), strict=True)]
            votes = torch.stack(ranks, dim=1)
        return votes.mean(dim=1).float()


class Scale(nn.Module):
    """`Validation.ranks`: the share of validation images that each vote is above, ties half."""

    def __init__(self, known: Float32[np.ndarray, "f n"]) -> None:
        super().__init__()
        self.register_buffer("known", torch.from_numpy(known))
        self.known: Tensor

    def forward(self, votes: Float32[Tensor, "b f"]) -> Float64[Tensor, "b f"]:
        """From 0 to 1."""
        new = votes.unsqueeze(2)
        twice = (self.known < new).long() + (self.known <= new).long()
        return twice.sum(dim=2).double() / (2 * self.known.shape[1])


class Calibrating(nn.Module):
    """`pipeline.results.evaluation.calibration.calibrate`, of all findings."""

    def __init__(self, calls: Mapping[str, Call]) -> None:
        super().__init__()
        lines = [(calls[name].slope, calls[name].intercept) for name in FINDINGS]
        self.register_buffer("lines", torch.tensor(lines, dtype=torch.float64).T.contiguous())
        self.lines: Tensor

    def forward(self, raw: Float32[Tensor, "b f"]) -> Float32[Tensor, "b f"]:
        """Probabilities that mean what they say."""
        probs = raw.double().maximum(exactly(_NEAREST_0)).minimum(exactly(_NEAREST_1))
        logits = (probs / (1 - probs)).log()
        return (self.lines[0] * logits + self.lines[1]).sigmoid().float()


class Distance(nn.Module):
    """`Familiarity.distances` of images, from their thumbnails on."""

    def __init__(self, familiar: Familiarity) -> None:
        super().__init__()
        for name in ("mean", "directions", "spreads"):
            self.register_buffer(name, torch.from_numpy(np.asarray(getattr(familiar, name))))
        self.mean: Tensor
        self.directions: Tensor
        self.spreads: Tensor
        self._rest = familiar.rest

    def forward(self, images: Float32[Tensor, "b 1 s s"]) -> Float32[Tensor, " b"]:
        """How far each image is from the training images."""
        side = images.shape[-1]
        boxes = torch.tensor([0, 0, side, side]).expand(images.shape[0], 4)
        pixels = cut_boxes(images.squeeze(1), boxes, size=THUMBNAIL_PX).flatten(1).double() / 255
        spread = pixels.std(dim=1, keepdim=True, correction=0).maximum(exactly(_LEAST_CONTRAST))
        centred = (pixels - pixels.mean(dim=1, keepdim=True)) / spread - self.mean
        along = centred @ self.directions.T
        off = ((centred**2).sum(dim=1) - (along**2).sum(dim=1)).clamp(min=0)
        inside = (along / self.spreads) ** 2
        return ((inside.mean(dim=1) + off / exactly(self._rest**2)) / 2).sqrt().float()
