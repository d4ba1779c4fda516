"""How threads of a CPU wait for work: awake for a moment, then asleep."""

import os
from typing import Final

WAITS: Final = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "20000"}
"""Of the environment. GNU's threads, which PyTorch's wheels for Linux have, look for work so many
times, for some hundred microseconds, before they sleep; those of others sleep at once.

A step of training has hundreds of parts that are shorter, and threads that sleep at once are late
for each. Threads that spin for long (GNU's look 300,000 times) take time from whoever else is at
work.
"""


def let_threads_sleep() -> None:
    """To be called before anything imports torch. No result depends on it.

    Whoever has said how threads are to wait is not overruled.
    """
    if not WAITS.keys() & os.environ.keys():
        os.environ.update(WAITS)
