"""What text mining makes of the truth, and the best score that leaves possible."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy.random import Generator, default_rng

from pipeline.base.findings import FINDINGS


def mine_labels(
    severities: pd.DataFrame, test: Bool[np.ndarray, "n"], *, seed: int, label_noise: float
) -> pd.DataFrame:
    """Labels with the errors of text mining: bool, one column per finding.

    On either official list a share `label_noise` of a finding's positives is missed, mild ones
    first of all, and as many images get the label without the finding.
    """
    rng = default_rng([seed, 1])
    labels = severities.to_numpy() > 0
    for rows in (np.flatnonzero(~test), np.flatnonzero(test)):
        for column in range(labels.shape[1]):
            severity = severities.to_numpy()[rows, column]
            labels[rows[_mistaken(severity, rng, label_noise)], column] ^= True
    return pd.DataFrame(labels, index=severities.index, columns=severities.columns)


def _mistaken(severity: Float[np.ndarray, "n"], rng: Generator, share: float) -> np.ndarray:
    positives, negatives = np.flatnonzero(severity > 0), np.flatnonzero(severity == 0)
    count = min(round(share * len(positives)), len(negatives))
    # The largest of u ** (1 / weight) are a weighted draw without replacement.
    chance = rng.uniform(size=len(positives)) ** (1 / (1.05 - severity[positives]) ** 2)
    missed = positives[np.argsort(-chance, kind="stable")[:count]]
    return np.concatenate([missed, rng.choice(negatives, count, replace=False)])


def ceiling(
    severities: pd.DataFrame, labels: pd.DataFrame, test: Bool[np.ndarray, "n"]
) -> dict[str, Any]:
    """The AUROC that the true severities reach against the labels on the test list.

    A finding of which the test list has no positive or no negative is left out of `auroc` and
    named in `undefined`.
    """
    truth, mined = severities[test], labels[test]
    defined = [f for f in FINDINGS if 0 < mined[f].sum() < len(mined)]
    auroc = {f: _auroc(mined[f].to_numpy(), truth[f].to_numpy()) for f in defined}
    return {
        "auroc": auroc,
        "mean_auroc": float(np.mean(list(auroc.values()))),
        "n_positives": {f: int(mined[f].sum()) for f in FINDINGS},
        "n_test_images": int(test.sum()),
        "undefined": [f for f in FINDINGS if f not in auroc],
    }


def _auroc(label: Bool[np.ndarray, "n"], score: Float[np.ndarray, "n"]) -> float:
    # The share of pairs of a positive and a negative that are in order; ties count half.
    _, level, count = np.unique(score, return_inverse=True, return_counts=True)
    negatives = np.bincount(level[~label], minlength=len(count))
    below = np.cumsum(negatives) - 0.5 * negatives
    return float(below[level[label]].mean() / (~label).sum())
