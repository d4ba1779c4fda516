"""Age, gender and view position as numbers: what the fusion head and the floor know of them."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

log = logging.getLogger(__name__)

METADATA = ("age", "gender", "view")

_COLUMNS = {"age": "age_years", "gender": "gender", "view": "view_position"}


@dataclass(frozen=True)
class MetadataEncoder:
    """Columns for a table, with statistics of the rows that it was fitted on."""

    features: tuple[str, ...]
    """Some of METADATA."""
    age_mean: float
    age_std: float

    def encode(self, index: pd.DataFrame) -> Float[np.ndarray, "n m"]:
        """One row per image; a missing age is the mean, and says so in a column of its own.

        A missing gender or view stands between both.
        """
        known = index["age_years"].notna().to_numpy()
        years = index["age_years"].fillna(self.age_mean).to_numpy(float)
        columns = {
            "age": [(years - self.age_mean) / self.age_std, (~known).astype(float)],
            "gender": [index["gender"].map({"M": 1.0, "F": -1.0}).fillna(0.0).to_numpy(float)],
            "view": [
                index["view_position"].map({"AP": 1.0, "PA": -1.0}).fillna(0.0).to_numpy(float)
            ],
        }
        chosen = [column for name in self.features for column in columns[name]]
        return np.stack(chosen, axis=1) if chosen else np.zeros((len(index), 0))

    def about(self) -> dict[str, Any]:
        """What a checkpoint must keep to encode new patients in the same way."""
        return asdict(self)


def fit_metadata(index: pd.DataFrame, features: Sequence[str]) -> MetadataEncoder:
    """Statistics for encoding, from the rows given: pass the training rows.

    A feature that none of them has is left out, and named in the log: a head would not learn what
    to do with it, and yet be given it of another patient.
    """
    there = tuple(name for name in features if index[_COLUMNS[name]].notna().any())
    if len(there) < len(features):
        absent = [name for name in features if name not in there]
        log.warning("unknown of all training images, and left out: %s", ", ".join(absent))
    age = index["age_years"]
    mean = float(age.mean()) if age.notna().any() else 0.0
    std = float(age.std(ddof=0)) if age.notna().any() else 1.0
    return MetadataEncoder(there, mean, std or 1.0)
