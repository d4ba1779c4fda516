"""The vote of several systems: the mean of their probabilities, or of their ranks."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline.base.findings import FINDINGS
from pipeline.results.evaluation.files.systems import Systems, aligned

Votes = Float[np.ndarray, "systems n"]
"""Probabilities of one finding on the images of one split."""

VoteRule = Callable[[Votes], Float[np.ndarray, " n"]]


def mean_vote(votes: Votes) -> Float[np.ndarray, " n"]:
    """Unweighted soft vote: the mean of the probabilities.

    The order of the systems does not matter, to the last bit.
    """
    return np.asarray(np.sort(votes, axis=0).mean(axis=0))  # a sum of floats depends on its order


def rank_vote(votes: Votes) -> Float[np.ndarray, " n"]:
    """The mean of the ranks as a share of all images, whatever the systems' scales.

    An image is ranked among those voted on with it, so that all have to be at hand, and half a
    rank is taken off, so that nothing is 1 or 0. A system that votes alone votes for itself.
    """
    if len(votes) == 1:
        return np.asarray(votes[0])
    ranks = np.sort(pd.DataFrame(votes).rank(axis=1).to_numpy(), axis=0)
    return np.asarray((ranks.mean(axis=0) - 0.5) / votes.shape[1])


VOTES: dict[str, VoteRule] = {"mean": mean_vote, "rank": rank_vote}


def vote(systems: Systems, rule: VoteRule) -> pd.DataFrame:
    """The systems' vote, image by image and finding by finding, within each split.

    A single system votes for itself exactly.

    Returns:
        Predictions (schema PREDICTIONS), sorted by image.

    Raises:
        ArtifactError: the systems' images, splits or findings differ.
    """
    frames = list(aligned(systems).values())
    about = frames[0][["image_index", "split"]]
    votes = np.stack([frame[list(FINDINGS)].to_numpy(np.float64) for frame in frames])
    voted = np.empty(votes.shape[1:])
    for split in about["split"].unique():
        here = about["split"].eq(split).to_numpy()
        for finding in range(len(FINDINGS)):
            voted[here, finding] = rule(votes[:, here, finding])
    columns = pd.DataFrame(voted.astype(np.float32), columns=list(FINDINGS))
    return pd.concat([about, columns], axis=1)
