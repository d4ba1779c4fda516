"""What every test shares: one thread per worker, no tracking, no network."""

import os

import pytest
import torch
from hypothesis import settings

os.environ.setdefault("CXR_TRACKING", "off")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ["OMP_NUM_THREADS"] = "1"  # what train.threads: auto goes by, here and in commands

settings.register_profile("tests", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("tests")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Workers of pytest-xdist share the cores; results must not depend on how many there are."""
    torch.set_num_threads(1)
