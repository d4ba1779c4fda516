"""All labels of a set of images, the most doubtful first."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import known, positive
from pipeline.errors import ArtifactError
from pipeline.results.evaluation.calibration import platt
from pipeline.results.suspects.label_scores import LabelScore

RANKED = (
    "rank", "image_index", "split", "finding", "labelled", "prob", "score", "beyond",
    "usual_low", "usual_high", "other_low", "other_high",
)  # fmt: skip
"""Columns of a ranking. `beyond`: the share of the images with the same label that have a
probability less like the other label. `usual`: the middle half of the probabilities of the images
with this label, `other` that of those with the other one; all of the same split and finding."""

USUAL = ("split", "finding", "labelled", "images", "low", "median", "high")
"""Columns of what probabilities are usual: quartiles."""


class Ranking(NamedTuple):
    """Labels by how doubtful they are."""

    labels: pd.DataFrame
    """Columns `RANKED`, rank 1 first."""
    usual: pd.DataFrame
    """Columns `USUAL`."""
    left_out: list[str]
    """Findings that are not judged in a split, and why, in words."""


def rank_labels(predictions: pd.DataFrame, images: pd.DataFrame, score: LabelScore) -> Ranking:
    """Rank every label, given or not given, of the predicted images.

    A finding of a split is judged by itself, since validation and test differ in case mix. A
    label that is unknown is not ranked.

    Args:
        predictions: image_index, split, and out-of-sample probabilities by finding.
        images: labels of all these images: image_index, and findings as in INDEX.
        score: an entry of `SCORES`.

    Raises:
        ArtifactError: no finding can be judged in any split.
    """
    truth = images.set_index("image_index").loc[predictions["image_index"]]
    ranked, usual, left_out = [], [], []
    for split, rows in predictions.groupby("split").indices.items():
        given = truth.iloc[rows]
        for finding in [name for name in FINDINGS if name in predictions]:
            there = known(given, finding)
            part = predictions.take(np.asarray(rows)[there])
            probs = part[finding].to_numpy(np.float64)
            labels = positive(given, finding)[there]
            reason = _why_not(probs, labels)
            if reason:
                left_out.append(f"{finding} in {split}: {reason}")
                continue
            ranked.append(_judged(part, str(split), finding, labels, score))
            usual += _usual(str(split), finding, probs, labels)
    if not ranked:
        raise ArtifactError(f"no finding can be judged; {'; '.join(left_out)}")
    table = pd.concat(ranked).sort_values(
        ["score", "image_index"], ascending=[False, True], kind="stable", ignore_index=True
    )
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return Ranking(table[list(RANKED)], pd.DataFrame(usual, columns=list(USUAL)), left_out)


def spelt(prob: float) -> str:
    """A probability in as few digits as tell it from 0 and 1."""
    if 0.01 <= prob <= 0.99:
        return f"{prob:.2f}"
    return f"{prob:.1g}" if prob < 0.5 else f"{prob:.3f}"


def _why_not(probs: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]) -> str:
    """Why a finding is not judged; nothing if it is."""
    if not len(labels):
        return "no label is known"
    if labels.all() or not labels.any():
        return f"{'all' if labels.all() else 'none'} of its {len(labels):,} images have the label"
    if not platt(probs, labels).fitted:
        return "probabilities are not higher where the label is given"
    return ""


def _judged(
    part: pd.DataFrame, split: str, finding: str, labels: Bool[np.ndarray, " n"], score: LabelScore
) -> pd.DataFrame:
    probs = part[finding].to_numpy(np.float64)
    ends = {given: np.quantile(probs[labels == given], [0.25, 0.75]) for given in (True, False)}
    own = np.where(labels[:, None], ends[True], ends[False])
    other = np.where(labels[:, None], ends[False], ends[True])
    return pd.DataFrame(
        {
            "image_index": part["image_index"].to_numpy(), "split": split, "finding": finding,
            "labelled": labels, "prob": probs, "score": score(probs, labels),
            "beyond": _beyond(probs, labels),
            "usual_low": own[:, 0], "usual_high": own[:, 1],
            "other_low": other[:, 0], "other_high": other[:, 1],
        }
    )  # fmt: skip


def _beyond(
    probs: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Of the images with the same label, the share that is further from the other label."""
    shares = np.empty(len(probs))
    for given, sign in ((True, 1), (False, -1)):
        here = labels == given
        towards = sign * probs[here]
        ordered = np.sort(towards)
        shares[here] = 1 - np.searchsorted(ordered, towards, side="right") / len(towards)
    return shares


def _usual(
    split: str, finding: str, probs: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]
) -> list[tuple[object, ...]]:
    return [
        (split, finding, given, int(here.sum()), *map(float, np.quantile(probs[here], _QUARTILES)))
        for given in (True, False)
        for here in [labels == given]
    ]


_QUARTILES = (0.25, 0.5, 0.75)
