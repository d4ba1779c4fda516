"""How threads of a CPU wait for work: awake for a moment, then asleep."""

import os

SPINS = "20000"
"""Looks for work before a thread sleeps, some hundred microseconds.

A step of training has hundreds of parts that are shorter: threads that slept at once took 1.4
times as long over it. Threads that spin for long (GNU's 300,000 looks) take it from whoever else
is at work: beside a second busy process, a step takes 1.7 times as long with them.
"""


def let_threads_sleep() -> None:
    """To be called before anything imports torch; what the environment says already is kept.

    No result depends on it. GNU's threads, which PyTorch's wheels for Linux have, go by the number
    of looks; those of others by the policy alone.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
