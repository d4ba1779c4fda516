"""Bytes that a graph resizes are those that PyTorch resizes."""

import numpy as np
import pytest
import torch

from pipeline.networks.rows import resized
from pipeline.predict.onnx.resizing import ByteResize, whole_weights


@pytest.mark.parametrize(
    ("side", "size"), [(256, 48), (96, 32), (97, 33), (48, 96), (300, 299), (224, 224), (700, 16)]
)
def test_every_byte_is_pytorchs(side, size):
    rng = np.random.default_rng(side)
    images = rng.integers(0, 256, (3, side, side)).astype(np.uint8)
    images[1] = rng.choice([0, 255], (side, side))
    found = ByteResize(side, size)(torch.from_numpy(images).unsqueeze(1).double())
    assert torch.equal(found, resized(images, size).double())


@pytest.mark.parametrize(("side", "size"), [(256, 48), (48, 96), (1024, 224)])
def test_a_grey_level_stays_what_it_is(side, size):
    weights, bits = whole_weights(side, size)
    assert abs(weights.sum(axis=1) / 2**bits - 1).max() < 1 / 512
