"""A bar with rate and remaining time where a person watches, a line now and then elsewhere."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from pipeline.base.watching import Look

log = logging.getLogger(__name__)

LINE_EVERY_S = 10.0
"""Pause between two lines where there is no terminal."""

EPOCH_LINE_EVERY_S = 60.0
"""The same within an epoch, which has a line of its own when it ends."""


def progress(*, total: int, unit: str, label: str) -> Look:
    """Show count, rate and remaining time; what is entered is told of each item behind it.

    Args:
        total: How many are expected.
        unit: What is counted, in the plural: "images".
        label: What is being done: "decode".
    """
    return _counted(_Count(label, total, unit, repeat(1), every_s=LINE_EVERY_S, stays=True))


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


@contextmanager
def _counted(count: _Count) -> Iterator[Callable[[], object]]:
    if not is_first_process():
        yield lambda: None
    elif sys.stderr.isatty():
        sizes = iter(count.sizes)
        bar = tqdm(
            total=count.total,
            unit=f" {count.unit}",
            desc=count.label,
            dynamic_ncols=True,
            leave=count.stays,
        )
        with logging_redirect_tqdm(), bar:
            yield lambda: bar.update(next(sizes))
    else:
        lines = _Lines(count)
        yield lines.one
        lines.end()


class _Lines:
    """A line now and then."""

    def __init__(self, count: _Count) -> None:
        self._count, self._sizes = count, iter(count.sizes)
        self._start = self._last = time.monotonic()
        self._done = 0

    def one(self) -> None:
        """One more item is done."""
        count = self._count
        self._done += next(self._sizes)
        now = time.monotonic()
        if now - self._last >= count.every_s and self._done < count.total:
            rate = self._done / (now - self._start)
            left = duration((count.total - self._done) / rate)
            so_far = f"{self._done:,}/{count.total:,} {count.unit}"
            log.info("%s: %s, %s/s, %s left", count.label, so_far, per_second(rate), left)
            self._last = now

    def end(self) -> None:
        """A last line, if it is to stay."""
        if self._count.stays:
            spent = time.monotonic() - self._start
            done = f"{self._done:,} {self._count.unit}"
            pace = per_second(self._done / max(spent, 1e-6))
            log.info("%s: %s in %s, %s/s", self._count.label, done, duration(spent), pace)


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

    def batches(self, *, epoch: int, sizes: Sequence[int]) -> Look:
        """Show how far an epoch is, `sizes` images in each of its batches."""
        label = f"{self._label} epoch {epoch}/{self._epochs}"
        count = _Count(label, sum(sizes), "images", sizes, EPOCH_LINE_EVERY_S, stays=False)
        return _counted(count)

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
