"""The window of most evidence as `pipeline.attention.window` has it, written for a graph."""

import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn

from pipeline.attention.window import LEVELS, WINDOW_GRID, middle_first, window_cells
from pipeline.base.grid import Grid
from pipeline.predict.onnx.regions import Drawing


class Window(nn.Module):
    """`evidence_window` of maps of one shape."""

    def __init__(self, cells: int, grid: Grid, *, side: float) -> None:
        super().__init__()
        self.drawing = Drawing(cells, grid, side=WINDOW_GRID)
        self._cells = window_cells(side, self.drawing.side)
        self._places = self.drawing.side - self._cells + 1
        self.register_buffer("order", torch.from_numpy(middle_first(self._places)))
        self.order: Tensor

    def forward(
        self, maps: Float32[Tensor, "k h h"], free: Bool[Tensor, "k s s"] | None = None
    ) -> tuple[Float[Tensor, "k 4"], Bool[Tensor, " k"]]:
        """Boxes as fractions of the image, xyxy, in doubles, and which maps have evidence.

        Args:
            maps: of any scale.
            free: cells of the fine map whose evidence counts; None: all of them.
        """
        fine = self.drawing(maps).double()
        if free is not None:
            fine = torch.where(free, fine, 0)
        peak = fine.amax(dim=(1, 2), keepdim=True)
        says = peak > 0
        levels = (fine * (LEVELS / torch.where(says, peak, 1))).round().long()
        total = nn.functional.pad(levels.cumsum(1).cumsum(2), (1, 0, 1, 0))
        down = total[:, self._cells :] - total[:, : -self._cells]
        sums = (down[:, :, self._cells :] - down[:, :, : -self._cells]).flatten(1)
        corner = self._first_of_most(sums.index_select(1, self.order))
        row, column = corner // self._places, corner % self._places
        box = torch.stack([column, row, column + self._cells, row + self._cells], dim=1)
        return box.double() / self.drawing.side, says.flatten()

    def covered(
        self, boxes: Float[Tensor, "b k 4"], which: Bool[Tensor, "b k"]
    ) -> Bool[Tensor, "b s s"]:
        """Cells of the fine map that lie in any of an image's boxes `which`."""
        cells = torch.arange(self.drawing.side, device=boxes.device)
        edges = (boxes * self.drawing.side).round().unsqueeze(3)
        inside = (cells >= edges[:, :, :2]) & (cells < edges[:, :, 2:])
        within = inside[:, :, 1].unsqueeze(3) & inside[:, :, 0].unsqueeze(2)
        return (within & which[:, :, None, None]).any(dim=1)

    def _first_of_most(self, sums: Tensor) -> Tensor:
        """The place of the largest sum; of equal ones the first."""
        ranks = torch.arange(sums.shape[1], device=sums.device)
        is_most = sums == sums.amax(dim=1, keepdim=True)
        return self.order[torch.where(is_most, ranks, sums.shape[1]).amin(dim=1)]
