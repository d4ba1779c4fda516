"""Who looks on as the batches of an epoch go by."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pipeline.base.watching import Look, nobody


@runtime_checkable
class Watch(Protocol):
    """Somebody who looks on as the batches of an epoch go by, `sizes` images in each of them.

    Sizes are of whole batches, however many processes share them.
    """

    def __call__(self, *, epoch: int, sizes: Sequence[int]) -> Look:
        """Who is told of each batch."""


def unwatched(*, epoch: int, sizes: Sequence[int]) -> Look:  # noqa: ARG001
    """Nobody looks on."""
    return nobody()
