"""What one forward pass of a batch shows of a layer, and how the logits hang on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.attention.formulas import class_activation
from pipeline.networks.branch import Branch
from pipeline.networks.layers import Layer
from pipeline.networks.readouts.pooling import EvidencePooling
from pipeline.networks.readouts.readout import GlobalAverage


@dataclass(frozen=True)
class Look:
    """A layer's maps of a batch, and all that a heatmap may ask about them."""

    branch: Branch
    images: Float[Tensor, "b 1 s s"]
    """Grey, in [0, 1]."""
    layer: Layer
    maps: Float[Tensor, "b k h w"]
    """A_k, of the layer."""
    pooled: Float[Tensor, "b d"]
    logits: Float[Tensor, "b f"]

    @property
    def weight(self) -> Float[Tensor, "f k"] | None:
        """Of the linear head behind the mean of these very maps; None where no such head is.

        Where it is, the gradient of logit f is `weight[f] / (h w)` in every cell of every image.
        """
        return self.branch.head.weight if feeds_pooling(self.branch, self.layer) else None

    @property
    def evidence(self) -> Float[Tensor, "b f h w"] | None:
        """`w_f A` in every cell, of which the readout makes the logits; None where it does not.

        Their mean, or another one (`pipeline.networks.readouts.pooling`), is the logit less the
        bias.
        """
        if self.layer.module is not None:
            return None
        if isinstance(self.branch.readout, EvidencePooling):
            return self.branch.readout.evidence(self.maps.detach())
        if self.weight is not None:
            return class_activation(self.maps.detach(), self.weight.detach())
        return None

    @cached_property
    def gradients(self) -> list[Float[Tensor, "b k h w"]]:
        """Of each logit with respect to the maps: a backward pass each, from there to here."""
        return [
            torch.autograd.grad(one.sum(), self.maps, retain_graph=True)[0]
            for one in self.logits.unbind(1)
        ]


def feeds_pooling(branch: Branch, layer: Layer) -> bool:
    """Whether a layer's maps are averaged and then weighed by a linear head, no more."""
    return layer.module is None and isinstance(branch.readout, GlobalAverage)


def look(
    branch: Branch,
    images: Float[Tensor, "b 1 s s"],
    layer: Layer,
    *,
    gradients: bool | None = None,
) -> Look:
    """One forward pass in fp32.

    Args:
        branch: in eval mode, or images would depend on each other.
        images: grey, in [0, 1].
        layer: of this branch.
        gradients: whether `Look.gradients` can be asked for; by default where no closed form
            makes them needless.
    """
    wanted = not feeds_pooling(branch, layer) if gradients is None else gradients
    with _frozen(branch), torch.set_grad_enabled(wanted):
        maps, pooled = _seen(branch, images, layer, wanted=wanted)
        return Look(branch, images, layer, maps, pooled, branch.logits(pooled))


def _seen(
    branch: Branch, images: Tensor, layer: Layer, *, wanted: bool
) -> tuple[Float[Tensor, "b k h w"], Float[Tensor, "b d"]]:
    if layer.module is None:
        with torch.no_grad():
            maps = branch.feature_map(images)
        maps.requires_grad_(wanted)
        return maps, branch.readout(maps)
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_(wanted))
        return kept[0].clone()  # what follows may write into it

    handle = layer.module.register_forward_hook(keep)
    try:
        pooled = branch.pooled(images)
    finally:
        handle.remove()
    return kept[0], pooled


@contextmanager
def _frozen(branch: Branch) -> Iterator[None]:
    """No graph for weights: only maps have gradients."""
    required = [weight for weight in branch.parameters() if weight.requires_grad]
    for weight in required:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in required:
            weight.requires_grad_(True)
