"""Where the cells of a grid over an image look."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Grid:
    """Cell (row, column) is centred at `first + step * (column, row)`, as fractions of the image.

    Networks differ: a padded 3 x 3 convolution of stride s centres cell i at pixel s * i, the
    first of its s pixels; a patch embedding in the middle of them. Half a cell is 16 of 224
    pixels at stride 32, and drawn by tiles, as is usual, a map sits as much beside the truth.
    """

    first: float
    """Centre of the first cell."""
    step: float
    """From one centre to the next."""

    def about(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self)


def tiles(cells: int) -> Grid:
    """The grid of `cells` equal tiles that cover the image."""
    return Grid(first=0.5 / cells, step=1 / cells)
