"""Numbers that a graph keeps as doubles."""

import torch
from jaxtyping import Float64
from torch import Tensor


def exactly(value: float) -> Float64[Tensor, ""]:
    """A constant in double precision: PyTorch's exporter writes a plain number in single."""
    return torch.tensor(value, dtype=torch.float64)
