"""Where the cells of a heatmap lie in the image.

A convolution of stride s with padding centres cell i at pixel s * i, the first pixel of the i-th
of n equal tiles and not its middle; so do the networks that are built of them. Drawn by tiles, as
is usual, a map sits half a cell too far right and too low: 16 of 224 pixels at stride 32.
"""

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int


def cell_centre(cell: Int[np.ndarray, "2"], shape: tuple[int, int]) -> Float[np.ndarray, "2"]:
    """Where cell (row, column) of a grid looks: (x, y) as fractions of the image."""
    return np.asarray(cell[::-1] / np.asarray(shape[::-1]), float)


def draw_on_image(
    heatmap: Float[np.ndarray, "h w"], *, height: int, width: int
) -> Float32[np.ndarray, "{height} {width}"]:
    """The heatmap at every pixel of an image: bilinear between the cells' centres.

    True to half a pixel of the network's input. Beyond the last centres it stays as it is there.
    """
    rows, columns = heatmap.shape
    y = (np.arange(height, dtype=np.float32) + 0.5) * np.float32(rows / height)
    x = (np.arange(width, dtype=np.float32) + 0.5) * np.float32(columns / width)
    fine = cv2.remap(
        heatmap.astype(np.float32),
        np.broadcast_to(x[None], (height, width)).copy(),
        np.broadcast_to(y[:, None], (height, width)).copy(),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(fine, np.float32)
