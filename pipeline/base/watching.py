"""Somebody looks on as items go by, and can change none of them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

T = TypeVar("T")

Look = AbstractContextManager[Callable[[], object]]
"""Entered before the first item; what it gives is called behind each one, and is not shown it."""


def watched(items: Iterable[T], look: Look) -> Iterator[T]:
    """`items` as they are, one by one as they are asked for."""
    with look as passed:
        for item in items:
            yield item
            passed()


def nobody() -> Look:
    """Nobody looks on."""
    return nullcontext(lambda: None)
