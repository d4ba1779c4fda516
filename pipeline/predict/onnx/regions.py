"""Heatmaps to boxes as `pipeline.attention.crop` has it, written so that a graph can hold it."""

from collections.abc import Callable
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor, nn
from torch._higher_order_ops.while_loop import while_loop
from torch.nn import functional

from pipeline.attention.crop import FINE_GRID
from pipeline.base.grid import Grid
from pipeline.params.names import RegionRule


class Drawing(nn.Module):
    """`pipeline.attention.crop.fine_map` of maps of one shape, as OpenCV's `remap` computes it.

    That interpolates across and then down, each with one rounding (a fused multiply-add).
    """

    def __init__(self, cells: int, grid: Grid, *, side: int = FINE_GRID) -> None:
        super().__init__()
        self.side = max(side, cells)
        centres = (np.arange(self.side) + 0.5) / self.side
        places = ((centres - grid.first) / grid.step).astype(np.float32)
        before = np.floor(places)
        self.register_buffer("before", torch.from_numpy(_kept(before, cells)))
        self.register_buffer("behind", torch.from_numpy(_kept(before + 1, cells)))
        self.register_buffer("share", torch.from_numpy(places - before))
        self.register_buffer("peaks", torch.from_numpy(_peak_pixels(cells, grid, self.side)))
        self.before: Tensor
        self.behind: Tensor
        self.share: Tensor
        self.peaks: Tensor

    def forward(self, maps: Float32[Tensor, "k h h"]) -> Float32[Tensor, "k n n"]:
        """The positive part of maps on the image; the maximum stands where its cell looks."""
        seen = maps.clamp(min=0)
        upper, lower = (
            _between(
                rows.index_select(2, self.before), rows.index_select(2, self.behind), self.share
            )
            for rows in (seen.index_select(1, self.before), seen.index_select(1, self.behind))
        )
        fine = _between(upper, lower, self.share[:, None])
        peak = maps.amax(dim=(1, 2), keepdim=True)
        is_peak = self.peaks @ (maps == peak).float() @ self.peaks.T > 0
        return torch.where(is_peak & (peak > 0), peak, fine)


def _kept(cells: Float[np.ndarray, " n"], number: int) -> Int[np.ndarray, " n"]:
    return np.asarray(np.clip(cells, 0, number - 1), np.int64)


def _between(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    return (share.double() * (end - start).double() + start.double()).float()


def _peak_pixels(cells: int, grid: Grid, side: int) -> Float32[np.ndarray, "{side} {cells}"]:
    """1 for the pixel at which a cell looks, or for both of those between which it looks."""
    places = (grid.first + grid.step * np.arange(cells)) * side
    pixels = np.clip(np.floor(places + np.array([[-1e-6], [1e-6]])), 0, side - 1).astype(int)
    found = np.zeros((side, cells), np.float32)
    found[pixels, np.arange(cells)] = 1
    return found


def region_boxes(
    fine: Float32[Tensor, "k n n"], *, threshold: float, region: RegionRule
) -> tuple[Float[Tensor, "k 4"], Bool[Tensor, " k"]]:
    """What `pipeline.attention.crop.region_box` finds, and whether the map says anything.

    Returns:
        xyxy fractions of the image, as doubles, and which of them mean something.
    """
    peak = fine.amax(dim=(1, 2), keepdim=True)
    mask = (fine > threshold * peak) | (fine == peak)
    labels = label_regions(mask)
    chosen = {"peak": _with_peak, "largest": _largest}[region](labels, fine == peak)
    across, down = (_extent((chosen & mask).any(dim=dim)) for dim in (1, 2))
    box = torch.stack([across[0], down[0], across[1], down[1]], dim=1)
    return box.double() / fine.shape[-1], peak.flatten() > 0


def label_regions(mask: Bool[Tensor, "k n n"]) -> Float32[Tensor, "k n n"]:
    """One number for each 8-connected region, higher for what OpenCV meets first; 0 elsewhere.

    Cells begin with a number for their block of 2 x 2, in which OpenCV scans. The highest spreads
    along rows, along columns and to neighbours, until nothing changes.
    """
    side = mask.shape[-1]
    inside = mask.float()
    blocks = (side + 1) // 2
    place = torch.arange(side, device=mask.device) // 2
    labels = inside * (blocks * blocks - place[:, None] * blocks - place)
    outside = (~mask).long()
    rows, columns = outside.cumsum(dim=2), outside.cumsum(dim=1)
    empty = inside.new_zeros(1).expand(mask.shape[0], side + 1, side + 1)

    @no_type_check  # PyTorch's tracing of a loop's body stops at jaxtyping's wrapper
    def spread(labels: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        across = empty[:, :side].scatter_reduce(2, rows, labels, "amax").gather(2, rows) * inside
        down = empty[:, :, :side].scatter_reduce(1, columns, across, "amax").gather(1, columns)
        beside = functional.max_pool2d((down * inside).unsqueeze(1), 3, 1, 1).squeeze(1) * inside
        return beside, labels.clone()

    return _repeated(spread, labels)


def _repeated(step: Callable[..., tuple[Tensor, Tensor]], labels: Tensor) -> Tensor:
    """A step again and again, until it changes nothing; in a graph it is a `Loop`."""
    state = (labels, labels - 1)
    if torch.compiler.is_exporting():
        state = while_loop(lambda now, before: (now != before).any(), step, state)
    else:
        while not torch.equal(*state):
            state = step(*state)
    return state[0]


def _with_peak(labels: Tensor, is_peak: Tensor) -> Bool[Tensor, "k n n"]:
    """The regions that hold a maximum."""
    places = labels.long().flatten(1)
    held = torch.zeros(labels.shape[0], _numbers(labels), device=labels.device)
    held = held.scatter_reduce(1, places, is_peak.float().flatten(1), "amax")
    return held.gather(1, places).view(labels.shape) > 0


def _largest(labels: Tensor, _: Tensor) -> Bool[Tensor, "k n n"]:
    """The region of most cells; of equals the one met first."""
    places = labels.long().flatten(1)
    inside = (places > 0).long()
    cells = torch.zeros(labels.shape[0], _numbers(labels), dtype=torch.int64, device=labels.device)
    rank = cells.scatter_add(1, places, inside).gather(1, places) * _numbers(labels) + places
    rank = rank * inside
    return (rank == rank.amax(dim=1, keepdim=True)).view(labels.shape)


def _numbers(labels: Tensor) -> int:
    """One more than labels can be."""
    return ((labels.shape[-1] + 1) // 2) ** 2 + 1


def _extent(line: Bool[Tensor, "k n"]) -> tuple[Int[Tensor, " k"], Int[Tensor, " k"]]:
    """From the first true place to behind the last one."""
    length = line.shape[-1]
    places = torch.arange(length, device=line.device)
    hits = line.long()
    return length - (hits * (length - places)).amax(dim=1), (hits * (places + 1)).amax(dim=1)
