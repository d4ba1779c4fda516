"""Where to call an image positive, and how often the calls on other images are right."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from pipeline.results.statistics.bootstrap import percentile_interval
from pipeline.results.statistics.metrics import ratio

_BLOCK = 64  # operating points at a time: bounds memory to a few tens of MB


class Sweep(NamedTuple):
    """What is called positive as the threshold falls: the last one calls every image."""

    thresholds: Float[np.ndarray, " t"]
    """The distinct probabilities, descending."""
    tp: Int[np.ndarray, " t"]
    """Positive images at or above each threshold."""
    fp: Int[np.ndarray, " t"]
    """Negative images there."""


Rule = Callable[[Sweep, float], Num[np.ndarray, " t"]]
"""A sweep, and the sensitivity asked for, to how good each of its thresholds is."""


def youden(sweep: Sweep, _sensitivity: float) -> Num[np.ndarray, " t"]:
    """Sensitivity + specificity - 1 (Youden 1950), times both classes' images: exact integers."""
    return np.asarray(sweep.tp * sweep.fp[-1] - sweep.fp * sweep.tp[-1])


def f1(sweep: Sweep, _sensitivity: float) -> Num[np.ndarray, " t"]:
    """Harmonic mean of sensitivity and positive predictive value."""
    return np.asarray(2 * sweep.tp / (sweep.tp + sweep.fp + sweep.tp[-1]))


def sensitive(sweep: Sweep, sensitivity: float) -> Num[np.ndarray, " t"]:
    """One where the sensitivity is at least as asked, else nought."""
    return np.asarray(sweep.tp / sweep.tp[-1] >= sensitivity, np.int64)


RULES: dict[str, Rule] = {"youden": youden, "f1": f1, "sensitivity": sensitive}


def choose_threshold(
    probs: Float[np.ndarray, " n"],
    targets: Bool[np.ndarray, " n"],
    rule: Rule,
    *,
    sensitivity: float,
) -> float | None:
    """The best threshold of one finding by a rule, on validation images.

    Args:
        probs: of the finding.
        targets: of the finding.
        rule: an entry of `RULES`.
        sensitivity: least one, in (0, 1], for the rule that asks for it.

    Returns:
        A value t of `probs`, so that `probs >= t` is the rule's choice in their own precision;
        of equally good ones the highest. None if a class is missing.

    Raises:
        ValueError: a probability is not finite, or the sensitivity is not in (0, 1].
    """
    if not 0 < sensitivity <= 1:
        raise ValueError(f"expected a sensitivity in (0, 1], found {sensitivity}")
    if targets.all() or not targets.any():
        return None
    sweep = _sweep(probs, targets)
    return float(sweep.thresholds[np.argmax(rule(sweep, sensitivity))])  # the first best one


def _sweep(probs: Float[np.ndarray, " n"], targets: Bool[np.ndarray, " n"]) -> Sweep:
    if not np.isfinite(probs).all():
        raise ValueError(
            f"{(~np.isfinite(probs)).sum()} of {len(probs)} probabilities are not finite"
        )
    falling, group = np.unique(-probs, return_inverse=True)
    tp, fp = (
        np.cumsum(np.bincount(group[side], minlength=len(falling))) for side in (targets, ~targets)
    )
    return Sweep(-falling, tp, fp)


class Share(NamedTuple):
    """A share of images, and its interval over patients."""

    value: float | None
    """None: a share of no image."""
    low: float | None
    """None: replicates do not tell how the share varies, being none, or 0 or 1 in all of them."""
    high: float | None


class OperatingPoint(NamedTuple):
    """How often the calls at one threshold are right, on images it was not chosen on."""

    sensitivity: Share
    """Of the positive images, those called positive."""
    specificity: Share
    """Of the negative images, those called negative."""
    ppv: Share
    """Of the images called positive, those that are."""
    npv: Share
    """Of the images called negative, those that are."""


def operating_point(
    probs: Float[np.ndarray, " n"],
    targets: Bool[np.ndarray, " n"],
    patient: Int[np.ndarray, " n"],
    threshold: float,
    counts: Float[np.ndarray, "patients replicates"],
) -> OperatingPoint:
    """One finding at one threshold: an image is called positive where p >= threshold.

    Arguments as in `operating_points`, which is the faster for many.
    """
    return operating_points((probs >= threshold)[None], targets[None], patient, counts)[0]


def operating_points(
    calls: Bool[np.ndarray, "points n"],
    targets: Bool[np.ndarray, "points n"],
    patient: Int[np.ndarray, " n"],
    counts: Float[np.ndarray, "patients replicates"],
    *,
    known: Bool[np.ndarray, "points n"] | None = None,
) -> list[OperatingPoint]:
    """Many thresholds on the same images, of any systems, findings and rules.

    Args:
        calls: whether each image is called positive.
        targets: whether it is.
        patient: 0, 1, ...: the image's row of `counts`.
        counts: of `bootstrap.patient_counts`; with no replicate there is no interval.
        known: whether that is known; the other images do not count. None: of all.

    Returns:
        One a row of `calls`. An interval leaves out the replicates without an image to take the
        share of: it is that of samples in which the share is defined.
    """
    known = np.ones_like(calls) if known is None else known
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(calls), _BLOCK)]
    return [
        point for b in blocks for point in _block(calls[b], targets[b], known[b], patient, counts)
    ]


def _block(
    calls: Bool[np.ndarray, "points n"],
    targets: Bool[np.ndarray, "points n"],
    known: Bool[np.ndarray, "points n"],
    patient: Int[np.ndarray, " n"],
    counts: Float[np.ndarray, "patients replicates"],
) -> list[OperatingPoint]:
    there, absent = targets & known, ~targets & known
    cells = (calls & there, calls & absent, ~calls & absent, ~calls & there)
    tallies = np.stack([_by_patient(cell, patient, patients=len(counts)) for cell in cells])
    whole = _shares(tallies.sum(axis=2, keepdims=True))[..., 0]
    drawn = _shares(tallies @ counts)
    return [
        OperatingPoint(*map(_share, whole[:, point], drawn[:, point]))
        for point in range(len(calls))
    ]


def _by_patient(
    cell: Bool[np.ndarray, "points n"], patient: Int[np.ndarray, " n"], *, patients: int
) -> Float[np.ndarray, "points patients"]:
    rows = [np.bincount(patient[chosen], minlength=patients) for chosen in cell]
    return np.stack(rows).astype(np.float64)


def _shares(cells: Float[np.ndarray, "4 points r"]) -> Float[np.ndarray, "4 points r"]:
    """In the order of `OperatingPoint`, of sums that are whole numbers and hence exact."""
    tp, fp, tn, fn = cells
    parts = ((tp, tp + fn), (tn, tn + fp), (tp, tp + fp), (tn, tn + fn))
    return np.stack([ratio(right, total) for right, total in parts])


def _share(value: float, replicates: Float[np.ndarray, " r"]) -> Share:
    defined = replicates[~np.isnan(replicates)]
    varies = len(defined) and defined.min() < defined.max()
    low, high = percentile_interval(defined) if varies else (None, None)
    return Share(None if np.isnan(value) else float(value), low, high)
