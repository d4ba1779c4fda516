"""The contexts in which a training comes to the same weights again."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """PyTorch's own generators begin with `seed`, and are then as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """The context in which so many threads compute on a CPU, in which sums depend on them."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def determinism(on: bool) -> Iterator[None]:
    """The context in which a GPU, too, gives the same bits for the same inputs.

    Otherwise it may choose the fastest of several algorithms for the sizes it meets.
    """
    before = torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    if on:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # a GPU's first use reads it
    torch.use_deterministic_algorithms(on or before)
    torch.backends.cudnn.benchmark = not on
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.backends.cudnn.benchmark = benchmark
