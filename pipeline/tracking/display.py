"""A bar with rate and remaining time where a person watches, a line now and then elsewhere."""

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

log = logging.getLogger(__name__)

LINE_EVERY_S = 10.0
"""Pause between two lines where there is no terminal."""

EPOCH_LINE_EVERY_S = 60.0
"""The same within an epoch, which has a line of its own when it ends."""

T = TypeVar("T")


def progress(items: Iterable[T], *, total: int, unit: str, label: str) -> Iterator[T]:
    """Pass `items` through, showing count, rate and remaining time.

    Args:
        items: What is passed through; taken one by one, as they are asked for.
        total: How many are expected.
        unit: What is counted, in the plural: "images".
        label: What is being done: "decode".
    """
    return _shown(items, _Count(label, total, unit, repeat(1), every_s=LINE_EVERY_S, stays=True))


@dataclass(frozen=True)
class _Count:
    """What is counted, and how that is said."""

    label: str
    total: int
    unit: str
    sizes: Iterable[int]
    """How many units each item stands for."""
    every_s: float
    """Pause between two lines where there is no terminal."""
    stays: bool
    """Whether the bar, or a last line, stays when all is done."""


def _shown(items: Iterable[T], count: _Count) -> Iterator[T]:
    if not is_first_process():
        yield from items
    elif sys.stderr.isatty():
        bar = tqdm(
            total=count.total,
            unit=f" {count.unit}",
            desc=count.label,
            dynamic_ncols=True,
            leave=count.stays,
        )
        with logging_redirect_tqdm(), bar:
            for item, size in zip(items, count.sizes, strict=False):
                yield item
                bar.update(size)
    else:
        yield from _with_lines(items, count)


def _with_lines(items: Iterable[T], count: _Count) -> Iterator[T]:
    label, total, unit = count.label, count.total, count.unit
    start = last = time.monotonic()
    done = 0
    for item, size in zip(items, count.sizes, strict=False):
        yield item
        done += size
        now = time.monotonic()
        if now - last >= count.every_s and done < total:
            rate = done / (now - start)
            left, so_far = duration((total - done) / rate), f"{done:,}/{total:,} {unit}"
            log.info("%s: %s, %s/s, %s left", label, so_far, per_second(rate), left)
            last = now
    if count.stays:
        spent = time.monotonic() - start
        pace = per_second(done / max(spent, 1e-6))
        log.info("%s: %s %s in %s, %s/s", label, f"{done:,}", unit, duration(spent), pace)


class Shown:
    """How a training is shown: a bar of each epoch where a person watches, and a line after it.

    Args:
        label: What is being trained.
        epochs: How many are expected; early stopping may yield fewer.
    """

    def __init__(self, label: str, *, epochs: int) -> None:
        self._label = label
        self._epochs = epochs
        self._start = time.monotonic()
        self._first = 0  # epoch that this process began with

    def batches(self, batches: Iterable[T], *, epoch: int, sizes: Sequence[int]) -> Iterator[T]:
        """Pass the batches of an epoch through, `sizes` images in each of them."""
        label = f"{self._label} epoch {epoch}/{self._epochs}"
        count = _Count(label, sum(sizes), "images", sizes, EPOCH_LINE_EVERY_S, stays=False)
        return _shown(batches, count)

    def epoch(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Say what an epoch came to, and how long the rest may take."""
        if not is_first_process():
            return
        self._first = self._first or epoch
        done = epoch - self._first + 1
        left = (time.monotonic() - self._start) / done * max(self._epochs - epoch, 0)
        log.info(
            "%s: epoch %d/%d  %s  %s left",
            self._label,
            epoch,
            self._epochs,
            describe(numbers),
            duration(left),
        )


def describe(numbers: Mapping[str, float]) -> str:
    """`train_loss 0.213  val_auroc 0.701`."""
    return "  ".join(f"{name} {_figure(value)}" for name, value in numbers.items())


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def per_second(rate: float) -> str:
    """`2,460`, `35.2`, `0.41`: three figures, and no exponent."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def duration(seconds: float) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def is_first_process() -> bool:
    """Whether this is rank 0 of a `torchrun`, or no part of one: the one that speaks."""
    return os.environ.get("RANK", "0") == "0"
