"""What a network costs and how finely it looks: the figures by which one chooses a backbone."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.base.findings import FINDINGS
from pipeline.networks.branch import BranchSpec, build_branch


@dataclass(frozen=True)
class Description:
    """Figures of a branch with 14 logits."""

    backbone: str
    parameters: int
    multiply_adds: int
    """Of one image's forward pass; what torchvision and most papers call FLOPs."""
    channels: int
    """Of the feature maps."""
    cells: int
    """Per side of the feature maps."""
    stride: float
    """Input pixels from one cell to the next."""


def describe(backbone: str, *, size: int, output_stride: int = 32) -> Description:
    """The figures for square images of `size` pixels.

    Raises:
        ParamsError: unknown backbone.
    """
    spec = BranchSpec(backbone, FINDINGS, output_stride, size, standardise=False)
    branch = build_branch(spec, weights=None, seed=0).eval().to("meta")  # shapes alone count
    image = torch.zeros(1, 1, size, size, device="meta")
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        branch(image)
    with torch.no_grad():
        _, channels, _, cells = branch.feature_map(image).shape
    return Description(
        backbone,
        parameters=sum(weight.numel() for weight in branch.parameters()),
        multiply_adds=counter.get_total_flops() // 2,
        channels=channels,
        cells=cells,
        stride=branch.grid.step * size,
    )
