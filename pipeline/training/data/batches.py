"""Batches on the device: gathered there, or read ahead by a thread and sent."""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from pipeline.training.data.examples import Examples
from pipeline.training.data.memory import free_bytes
from pipeline.networks.rows import Rows

log = logging.getLogger(__name__)

Batch = tuple[Shaped[Tensor, "_ ..."], ...]
"""One tensor for each of the inputs, as it is stored."""

_AHEAD = 3  # batches read before they are needed
_SHARE = 0.4  # of the free memory that images may take: a network needs the rest


def cached(examples: Sequence[Examples], device: torch.device, *, mode: str) -> list[Examples]:
    """The same with all inputs in the memory of `device`, as bytes, if `mode` says so.

    Targets, which are small, always are.

    Args:
        examples: of several splits.
        device: where the network is.
        mode: "on", "off", or "auto": if they take less than 40 % of what is free there.
    """
    examples = [replace(one, targets=one.targets.to(device)) for one in examples]
    needed = sum(rows.nbytes for one in examples for rows in one.inputs)
    room = _SHARE * free_bytes(device)
    if mode == "off" or (mode == "auto" and needed > room):
        log.info("streams %s MB of images from disk to %s", f"{needed / 1e6:,.0f}", device.type)
        return examples
    return [replace(one, inputs=tuple(rows.to(device) for rows in one.inputs)) for one in examples]


def gathered(
    inputs: Sequence[Rows], batches: Sequence[Int[Tensor, " _"]], device: torch.device
) -> Iterator[Batch]:
    """The rows of each batch, on `device`.

    Where all inputs are there already, a batch is an index and waits for nothing. Else a thread
    reads the next ones meanwhile, into memory that a GPU can fetch from by itself.
    """
    if all(isinstance(rows, Tensor) and rows.device.type == device.type for rows in inputs):
        sizes = [len(batch) for batch in batches]
        there = torch.cat(list(batches)).to(device) if batches else torch.empty(0)
        for index in there.split(sizes):
            yield tuple(rows[index] for rows in inputs)
    else:
        for batch in _read_ahead(inputs, batches, pin=device.type == "cuda"):
            yield tuple(part.to(device, non_blocking=True) for part in batch)


def _read_ahead(
    inputs: Sequence[Rows], batches: Sequence[Int[Tensor, " _"]], *, pin: bool
) -> Iterator[Batch]:
    def read(batch: Int[Tensor, " _"]) -> Batch:
        parts = tuple(rows[batch] for rows in inputs)
        return tuple(_pinned(part) for part in parts) if pin else parts

    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(1) as pool:
        try:
            for batch in batches:
                waiting.append(pool.submit(read, batch))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _pinned(part: Tensor) -> Tensor:
    return part.pin_memory() if part.device.type == "cpu" else part
