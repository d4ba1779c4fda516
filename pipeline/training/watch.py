"""Who looks on as the batches of an epoch go by."""

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from pipeline.training.data.batches import Batch


@runtime_checkable
class Watch(Protocol):
    """Somebody who looks on as the batches of an epoch go by, `sizes` images in each of them.

    Sizes are of whole batches, however many processes share them.
    """

    def __call__(
        self, batches: Iterable[Batch], *, epoch: int, sizes: Sequence[int]
    ) -> Iterable[Batch]:
        """Pass the batches on."""


def unwatched(
    batches: Iterable[Batch],
    *,
    epoch: int,  # noqa: ARG001
    sizes: Sequence[int],  # noqa: ARG001
) -> Iterable[Batch]:
    """Nobody looks on."""
    return batches
