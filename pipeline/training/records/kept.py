"""Which epoch's weights are kept of a training: the rules of `train.keep`.

It stands apart from `pipeline.training`, since tables, searches and the report follow it too.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from pipeline.errors import ParamsError


@runtime_checkable
class Judged(Protocol):
    """An epoch, as far as a rule looks at one."""

    @property
    def epoch(self) -> int:
        """From 1."""

    @property
    def val_loss(self) -> float:
        """On all validation images."""

    @property
    def val_auroc(self) -> float:
        """Mean over the findings, on all validation images."""


E = TypeVar("E", bound=Judged)

Cost = Callable[[Judged], float]
"""The lower, the better the epoch."""


def by_loss(epoch: Judged) -> float:
    """The validation loss."""
    return epoch.val_loss


def by_auroc(epoch: Judged) -> float:
    """The validation AUROC, of which a high one is good."""
    return -epoch.val_auroc


def by_age(epoch: Judged) -> float:
    """Every epoch is better than those before it: patience never ends."""
    return -float(epoch.epoch)


KEEP: dict[str, Cost] = {"loss": by_loss, "auroc": by_auroc, "last": by_age}
"""What `train.keep` may be."""

RANKING = {"loss": "lowest validation loss", "auroc": "highest validation AUROC"}
"""The rules that judge an epoch, in words; `last` knows it by its number."""

PLATEAU: dict[str, Cost] = KEEP | {"last": by_loss}
"""What the schedule `plateau` waits for under each: age is no sign of progress."""


def cost(epoch: Judged, keep: str, rules: Mapping[str, Cost] = KEEP) -> float:
    """How bad an epoch is by a rule; infinitely, if that is no number.

    Raises:
        ParamsError: no rule has that name.
    """
    if keep not in rules:
        raise ParamsError(f"train.keep: unknown {keep!r}; expected one of {', '.join(rules)}")
    value = rules[keep](epoch)
    return math.inf if math.isnan(value) else value


def kept_epoch(epochs: Sequence[E], keep: str) -> E | None:
    """The first epoch of lowest cost; None if there are none."""
    return min(epochs, key=lambda epoch: cost(epoch, keep), default=None)


def best_by(epochs: Sequence[E]) -> dict[str, E]:
    """The epoch that each rule would keep."""
    found = {keep: kept_epoch(epochs, keep) for keep in KEEP}
    return {keep: epoch for keep, epoch in found.items() if epoch is not None}


def numbers_of_kept(epochs: Sequence[Judged], keep: str) -> dict[str, float]:
    """For a record of figures: the kept epoch and how it was judged, and that of every rule."""
    kept = kept_epoch(epochs, keep)
    if kept is None:
        return {}
    judged = {"epoch": kept.epoch, "val_loss": kept.val_loss, "val_auroc": kept.val_auroc}
    return {f"kept_{name}": float(value) for name, value in judged.items()} | {
        f"epoch_by_{rule}": float(one.epoch) for rule, one in best_by(epochs).items()
    }
