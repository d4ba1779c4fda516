"""A bar with rate and remaining time where a person watches, a line now and then elsewhere."""

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
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
    if not is_first_process():
        yield from items
    elif sys.stderr.isatty():
        with logging_redirect_tqdm():
            yield from tqdm(items, total=total, unit=f" {unit}", desc=label, dynamic_ncols=True)
    else:
        yield from _with_lines(items, total=total, unit=unit, label=label)


def _with_lines(items: Iterable[T], *, total: int, unit: str, label: str) -> Iterator[T]:
    start = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= LINE_EVERY_S and done < total:
            rate = done / (now - start)
            left = duration((total - done) / rate)
            log.info(
                "%s: %d/%d %s, %s/s, %s left", label, done, total, unit, per_second(rate), left
            )
            last = now
    spent = time.monotonic() - start
    rate = done / max(spent, 1e-6)
    log.info("%s: %d %s in %s, %s/s", label, done, unit, duration(spent), per_second(rate))


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

    def batches(self, batches: Iterable[T], *, epoch: int, steps: int, images: int) -> Iterator[T]:
        """Pass the batches of an epoch through, each of so many images."""
        if not is_first_process():
            yield from batches
            return
        label = f"{self._label} epoch {epoch}/{self._epochs}"
        if sys.stderr.isatty():
            with (
                logging_redirect_tqdm(),
                tqdm(
                    total=steps * images,
                    desc=label,
                    unit=" images",
                    dynamic_ncols=True,
                    leave=False,
                ) as bar,
            ):
                for batch in batches:
                    yield batch
                    bar.update(images)
        else:
            yield from _with_lines_of_batches(batches, label, steps=steps, images=images)

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


def _with_lines_of_batches(
    batches: Iterable[T], label: str, *, steps: int, images: int
) -> Iterator[T]:
    start = last = time.monotonic()
    for done, batch in enumerate(batches, start=1):
        yield batch
        now = time.monotonic()
        if now - last >= EPOCH_LINE_EVERY_S and done < steps:
            rate = done * images / (now - start)
            left = duration((steps - done) * images / rate)
            log.info(
                "%s: %s/%s images, %s/s, %s left",
                label,
                f"{done * images:,}",
                f"{steps * images:,}",
                per_second(rate),
                left,
            )
            last = now


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
