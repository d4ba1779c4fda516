"""Age, gender and view position as numbers: what the fusion head and the floor know of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

METADATA = ("age", "gender", "view")


@dataclass(frozen=True)
class MetadataEncoder:
    """Columns for a table, with statistics of the rows that it was fitted on."""

    features: tuple[str, ...]
    """Some of METADATA."""
    age_mean: float
    age_std: float

    def encode(self, index: pd.DataFrame) -> Float[np.ndarray, "n m"]:
        """One row per image; a missing age is the mean, and says so in a column of its own.

        Gender and view are never missing where a head is trained; elsewhere a missing one stands
        between both.
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
    """Statistics for encoding, from the rows given: pass the training rows."""
    age = index["age_years"]
    mean = float(age.mean()) if age.notna().any() else 0.0
    std = float(age.std(ddof=0)) if age.notna().any() else 1.0
    return MetadataEncoder(tuple(features), mean, std or 1.0)
