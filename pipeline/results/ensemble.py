"""Soft vote: the mean of the members' probabilities."""

import numpy as np
import pandas as pd

from pipeline.findings import FINDINGS
from pipeline.results.systems import Systems, aligned


def soft_vote(systems: Systems) -> pd.DataFrame:
    """Unweighted mean of the systems' probabilities, image by image and finding by finding.

    The order of the systems does not matter, to the last bit, and a single system votes for
    itself exactly.

    Returns:
        Predictions (schema PREDICTIONS), sorted by image.

    Raises:
        ArtifactError: the systems' images or splits differ.
    """
    frames = list(aligned(systems).values())
    votes = np.stack([frame[list(FINDINGS)].to_numpy(np.float64) for frame in frames])
    votes.sort(axis=0)  # a sum of floats depends on its order
    vote = pd.DataFrame(votes.mean(axis=0).astype(np.float32), columns=list(FINDINGS))
    return pd.concat([frames[0][["image_index", "split"]], vote], axis=1)
