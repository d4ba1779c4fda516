"""PyTorch's antialiased resizing of bytes, written as products so that a graph can hold it.

PyTorch resizes bytes in whole numbers: weights of 16 bits, and bytes again between both passes
(`_compute_index_ranges_int16_weights` of ATen's UpSampleKernel.cpp). The same numbers in doubles
are exact, so that a graph sees the bytes that the networks were trained on.
"""

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

_MOST_BITS = 22


class ByteResize(nn.Module):
    """What `pipeline.networks.rows.resized` makes of square images, to the byte."""

    def __init__(self, side: int, size: int) -> None:
        super().__init__()
        weights, bits = whole_weights(side, size)
        self._is_needed = side != size
        self.register_buffer("weights", torch.from_numpy(weights))
        self.register_buffer("one", torch.tensor(2.0**bits, dtype=torch.float64))
        self.weights: Tensor
        self.one: Tensor

    def forward(self, images: Float64[Tensor, "b 1 s s"]) -> Float64[Tensor, "b 1 t t"]:
        """Whole numbers from 0 to 255."""
        if not self._is_needed:
            return images
        across = self._rounded(images @ self.weights.T)
        return self._rounded(self.weights @ across)

    def _rounded(self, sums: Tensor) -> Tensor:
        return ((sums + self.one / 2) / self.one).floor().clamp(0, 255)


def whole_weights(side: int, size: int) -> tuple[Float64[np.ndarray, "size side"], int]:
    """The weights by which PyTorch resizes a line of bytes, and how many bits they have.

    Args:
        side: of the line, in pixels.
        size: that it gets.

    Returns:
        Whole numbers, of which each row adds up to 2 ** bits, but for rounding.
    """
    scale = side / size
    support = max(scale, 1.0)
    centres = scale * (np.arange(size) + 0.5)
    first = np.maximum((centres - support + 0.5).astype(int), 0)
    end = np.minimum((centres + support + 0.5).astype(int), side)
    places = np.arange(side)
    tent = np.maximum(1 - np.abs((places - centres[:, None] + 0.5) / support), 0)
    tent[(places < first[:, None]) | (places >= end[:, None])] = 0
    tent /= tent.sum(axis=1, keepdims=True)
    bits = next(
        (one for one in range(_MOST_BITS) if int(0.5 + tent.max() * 2 ** (one + 1)) >= 2**15),
        _MOST_BITS,
    )
    return np.floor(0.5 + tent * 2.0**bits), bits
