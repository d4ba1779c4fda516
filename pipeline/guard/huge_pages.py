"""Memory in huge pages: training on a CPU then takes half to two thirds of its time."""

import os
import sys
from contextlib import suppress
from pathlib import Path

TUNABLES = "GLIBC_TUNABLES"
"""Of the environment: what glibc's allocator reads once, when a process starts."""

HUGE_PAGES = ":".join(
    (
        "glibc.malloc.hugetlb=1",  # ask Linux for huge pages
        "glibc.malloc.mmap_threshold=268435456",  # smaller blocks come from memory in use before
        "glibc.malloc.trim_threshold=1073741824",  # which is given back when so much is free
    )
)

_OFFERED = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def start_with_huge_pages() -> None:
    """Start this process anew, with the same words and number, if Linux offers huge pages.

    To be called by the `__init__.py` of a package that `python -m` runs, before anything slow is
    imported. Whoever set `GLIBC_TUNABLES` keeps what they set; imported in any other way, the
    package changes nothing. No result depends on it.
    """
    # While `python -m` looks for its module, `sys.argv[0]` is "-m" (Python's documentation).
    if sys.argv[0] == "-m" and TUNABLES not in os.environ and _are_offered():
        words = [sys.executable, *sys.orig_argv[1:]]
        with suppress(OSError):  # without huge pages it is as right
            os.execve(sys.executable, words, os.environ | {TUNABLES: HUGE_PAGES})


def _are_offered() -> bool:
    try:
        return "[never]" not in _OFFERED.read_text()
    except OSError:  # no Linux, or one without them
        return False
