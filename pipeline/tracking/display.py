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


def progress_of_epochs(
    epochs: Iterable[tuple[int, Mapping[str, float]]], *, total: int, label: str
) -> Iterator[None]:
    """Show each epoch's numbers as it comes: in a bar, or one line per epoch.

    Args:
        epochs: Number of the epoch, from 1, and its figures; taken one by one.
        total: How many are expected; early stopping may yield fewer.
        label: What is being trained.
    """
    if not is_first_process():
        for _ in epochs:
            yield
    elif sys.stderr.isatty():
        with logging_redirect_tqdm(), tqdm(total=total, unit=" epochs", desc=label) as bar:
            bar.dynamic_ncols = True
            for _, numbers in epochs:
                bar.set_postfix_str(describe(numbers), refresh=False)
                bar.update()
                yield
    else:
        yield from _epoch_lines(epochs, total=total, label=label)


def _epoch_lines(
    epochs: Iterable[tuple[int, Mapping[str, float]]], *, total: int, label: str
) -> Iterator[None]:
    start = time.monotonic()
    for done, (epoch, numbers) in enumerate(epochs, start=1):
        left = (time.monotonic() - start) / done * max(total - epoch, 0)
        figures = describe(numbers)
        log.info("%s: epoch %d/%d  %s  %s left", label, epoch, total, figures, duration(left))
        yield


def describe(numbers: Mapping[str, float]) -> str:
    """`train_loss 0.213  val_auroc 0.701`."""
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())


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
