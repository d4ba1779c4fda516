"""Waiting for something that another process does."""

import time


def becomes_true(claim, *, within_s=200.0):
    """Whether it did within that time; what it was last."""
    until = time.monotonic() + within_s
    while not (found := claim()) and time.monotonic() < until:
        time.sleep(0.02)
    return found
