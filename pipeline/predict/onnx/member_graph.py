"""A member's way from pixels to its vote, written so that a graph can hold it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor, nn

from pipeline.attention.heatmap import HEATMAPS
from pipeline.attention.look import Look, feeds_pooling, look
from pipeline.attention.place import ATTENTION
from pipeline.errors import ArtifactError
from pipeline.fusion.head import JointFusion, mirrored_branches
from pipeline.fusion.metadata import MetadataEncoder
from pipeline.networks.branch import Branch
from pipeline.networks.layers import Layer, find_layer
from pipeline.networks.mirror import mirrored
from pipeline.networks.readouts.pooling import EvidencePooling
from pipeline.predict.member import Rules
from pipeline.predict.onnx.any_batch import take_any_batch
from pipeline.predict.onnx.cutting import cut_sheets
from pipeline.predict.onnx.numbers import exactly
from pipeline.predict.onnx.placing import Placing, pixel_boxes
from pipeline.predict.onnx.resizing import ByteResize
from pipeline.predict.package import Networks


@dataclass(frozen=True)
class Found:
    """What a member makes of a batch."""

    share: Float32[Tensor, "b f"]
    """The probabilities with which it votes."""
    crop_boxes: Float64[Tensor, "b k 4"]
    """xyxy, fractions of the image."""
    heatmaps: dict[str, Float32[Tensor, "b _m h w"]]
    """Of the global branch, by method, as float16 has them."""


class MemberGraph(nn.Module):
    """As `pipeline.predict.member.Member`, of tensors alone."""

    def __init__(self, name: str, networks: Networks, rules: Rules, *, side: int) -> None:
        super().__init__()
        flip = rules.flip_at_predict
        self._flip, self._crop, self._side = flip, rules.crop, side
        self.global_, self.local = networks.global_, mirrored(networks.local, on=flip)
        self.fusion = mirrored_branches(networks.fusion, on=flip)
        self.known = Known(networks.encoder)
        self.layer = find_layer(self.global_, rules.heatmap.layer)
        asked: list[str] = [*rules.heatmap.methods]
        self.methods = [one for one in asked if is_closed(one, self.global_, self.layer)]
        self.left_out = [one for one in asked if one not in self.methods]
        _expect_crop_method(name, rules, self.methods)
        self.whole = ByteResize(side, self.global_.spec.input_size)
        self.cut = ByteResize(rules.crop.input_size, networks.local.spec.input_size)
        self.placing = Placing(rules.crop, self.layer.shape[1], self.layer.grid)
        take_any_batch(self)

    def forward(
        self,
        images: Float32[Tensor, "b 1 s s"],
        age_years: Float32[Tensor, " b"],
        gender: Float32[Tensor, " b"],
        view: Float32[Tensor, " b"],
    ) -> Found:
        """What it finds in images of whole numbers from 0 to 255; see `Known` of the codes."""
        whole = self.whole(images.double()).float() / 255
        looked = look(self.global_, whole, self.layer, gradients=False)
        heatmaps = {one: HEATMAPS[one](looked).half().float() for one in self.methods}
        pooled = self._pooled(looked)
        boxes = self.placing(heatmaps, self.global_.logits(pooled), self.global_.prior)
        edges = pixel_boxes(boxes, self._side)
        crops = cut_sheets(images.squeeze(1), edges, size=self._crop.input_size)
        cut = self.cut(crops.double().unsqueeze(1)).float() / 255
        known = self.known(age_years, gender, view)
        if isinstance(self.fusion, JointFusion):
            logits = self.fusion(whole, cut, known)
        else:
            logits = self.fusion(torch.cat([pooled, self.local.pooled(cut), known], dim=1))
        return Found(logits.sigmoid(), boxes, heatmaps)

    def _pooled(self, looked: Look) -> Float[Tensor, "b d"]:
        if not self._flip:
            return looked.pooled
        return (looked.pooled + self.global_.pooled(looked.images.flip(-1))) / 2


def is_closed(method: str, branch: Branch, layer: Layer) -> bool:
    """Whether a heatmap needs no gradient, and no more passes through the network."""
    if method == "cam" and layer.module is None and isinstance(branch.readout, EvidencePooling):
        return True
    return method == ATTENTION or (method != "scorecam" and feeds_pooling(branch, layer))


def _expect_crop_method(name: str, rules: Rules, methods: list[str]) -> None:
    if rules.crop.method not in methods:
        raise ArtifactError(
            f"{name}: {rules.crop.method} draws its crops, which takes gradients or many passes "
            "through the network, and ONNX holds neither; train with crop.method: attention, or "
            "with heatmap.layer: last and a method that is closed there (cam, gradcam, ...)"
        )


class Known(nn.Module):
    """`MetadataEncoder` of tensors: NaN is what is not known.

    Gender is 1 for M and -1 for F, view 1 for AP and -1 for PA; 0, as NaN, is not known.
    """

    def __init__(self, encoder: MetadataEncoder) -> None:
        super().__init__()
        self._encoder = encoder

    def forward(
        self,
        age_years: Float32[Tensor, " b"],
        gender: Float32[Tensor, " b"],
        view: Float32[Tensor, " b"],
    ) -> Float32[Tensor, "b m"]:
        """One row per image."""
        encoder = self._encoder
        mean, std = exactly(encoder.age_mean), exactly(encoder.age_std)
        is_missing = age_years.isnan()
        years = torch.where(is_missing, mean, age_years.double())
        columns = {
            "age": [(years - mean) / std, is_missing.double()],
            "gender": [torch.where(gender.isnan(), 0, gender).double()],
            "view": [torch.where(view.isnan(), 0, view).double()],
        }
        chosen = [column for name in encoder.features for column in columns[name]]
        if not chosen:
            return age_years.new_zeros(age_years.shape[0], 0)
        return torch.stack(chosen, dim=1).float()
