"""Types and shapes of arguments and results, checked in the first calls of each test.

A check costs more than many of the functions that it guards. In a loop over 15,000 boxes the
first calls say as much as all.
"""

import sys
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from operator import attrgetter
from typing import Any

from beartype import beartype

CHECKED = 40
"""Checks in a test; a call has two, of arguments and of the result with them."""

_calls: Counter[tuple[str, str]] = Counter()
_unchecked: list[Any] = []


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """What jaxtyping asks whether a call is as annotated, until it has asked often enough."""
    check = cache(partial(beartype, function))  # at its first call: most are not called at all
    key = function.__module__, function.__qualname__

    def count(*args: Any, **kwargs: Any) -> Any:
        import torch  # noqa: PLC0415 (seconds, which who only decorates need not wait)

        if torch.compiler.is_compiling():  # which cannot follow a check
            return function(*args, **kwargs)
        _calls[key] += 1
        if _calls[key] == CHECKED:
            _leave_unchecked(*key)
        if _calls[key] > CHECKED:  # of a function within another, which is made anew each time
            return function(*args, **kwargs)
        return check()(*args, **kwargs)

    return count


def _leave_unchecked(module: str, name: str) -> None:
    try:
        found = attrgetter(name)(sys.modules[module])
        found.__no_type_check__ = True
    except AttributeError:  # within a function, or a method of a wrapper
        return
    _unchecked.append(found)


def forget_calls() -> None:
    """A new test begins."""
    _calls.clear()
    while _unchecked:
        _unchecked.pop().__no_type_check__ = False
