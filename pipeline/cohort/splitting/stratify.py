"""Share out examples with several labels so that each label is shared out alike."""

import numpy as np
from jaxtyping import Float, Int


def share_out(
    counts: Int[np.ndarray, "examples labels"],
    fractions: Float[np.ndarray, "subsets"],
    *,
    seed: int,
) -> Int[np.ndarray, "examples"]:
    """Assign every example to a subset by iterative stratification.

    As in Sechidis et al., "On the stratification of multi-label data", ECML 2011: the label
    with the fewest unassigned examples comes first, since later its share could not be mended;
    each subset wants its fraction of a label, less what it already has; examples without a
    label come last and even out the numbers of examples.

    Here an example is a patient, who carries a label on any number of images. A label is
    therefore weighed by its count, and dealt out from the largest count to the smallest by
    largest quotient (Webster, Sainte-Lague) rather than to the subset that wants most, which
    would give the largest subset all the large counts. Ties are broken by `seed`.

    Args:
        counts: how often an example carries each label; 0 or more.
        fractions: the subsets' shares of the examples; their sum is 1.
        seed: of the order among equals.

    Returns:
        The subset of each example.
    """
    order = np.random.default_rng(seed).permutation(len(counts))
    subset = np.full(len(counts), -1, dtype=np.int64)
    while (label := _rarest(counts[subset < 0] > 0)) is not None:
        _deal(counts[:, label], fractions, order, subset)
    _deal(np.ones(len(counts), dtype=np.int64), fractions, order, subset)
    return subset


def _rarest(has: np.ndarray) -> int | None:
    """The label that fewest, but some, examples have."""
    examples = has.sum(axis=0)
    present = np.flatnonzero(examples)
    return None if len(present) == 0 else int(present[np.argmin(examples[present])])


def _deal(
    weights: Int[np.ndarray, "examples"],
    fractions: Float[np.ndarray, "subsets"],
    order: Int[np.ndarray, "examples"],
    subset: Int[np.ndarray, "examples"],
) -> None:
    """Assign, in `subset`, the unassigned examples of positive weight; -1 is unassigned."""
    assigned = subset >= 0
    have = np.bincount(subset[assigned], weights[assigned], minlength=len(fractions))
    wanted = np.maximum(fractions * weights.sum() - have, 0.0)
    here = order[(weights[order] > 0) & ~assigned[order]]
    here = here[np.argsort(-weights[here], kind="stable")]
    given = np.zeros(len(fractions))
    for example in here:
        weight = weights[example]
        chosen = np.argmax(wanted / (given + weight / 2))
        subset[example] = chosen
        given[chosen] += weight
