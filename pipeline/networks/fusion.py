"""The fusion head: pooled features of both branches and what is known of the patient."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class MetadataEncoder:
    """Age, gender and view as numbers, with statistics of the *training* rows only."""

    features: tuple[str, ...]
    age_mean: float
    age_std: float

    def encode(self, index: pd.DataFrame) -> Float[np.ndarray, "n m"]:
        """One row per image; a missing age is the mean, and says so in a column of its own."""
        known = index["age_years"].notna().to_numpy()
        years = index["age_years"].fillna(self.age_mean).to_numpy(float)
        columns = {
            "age": [(years - self.age_mean) / self.age_std, (~known).astype(float)],
            "gender": [np.where(index["gender"] == "M", 1.0, -1.0)],
            "view": [np.where(index["view_position"] == "AP", 1.0, -1.0)],
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


class Fusion(nn.Module):
    """Linear head on `[global pooled, local pooled, metadata]` (AG-CNN, Sec. 3.1, Eq. 4)."""

    def __init__(self, inputs: int, findings: int) -> None:
        super().__init__()
        self.head = nn.Linear(inputs, findings)

    def forward(self, joined: Float[Tensor, "b d"]) -> Float[Tensor, "b f"]:
        """Logits."""
        logits: Tensor = self.head(joined)
        return logits


def restore_head(state: dict[str, Tensor]) -> nn.Linear:
    """The classification head that a branch's checkpoint holds, without the branch."""
    weight = state["head.weight"]
    head = nn.Linear(weight.shape[1], weight.shape[0])
    head.load_state_dict({"weight": weight, "bias": state["head.bias"]})
    return head


def build_fusion(global_: nn.Linear, local: nn.Linear, *, metadata: int) -> Fusion:
    """A fusion head that starts as the mean of both branches' logits.

    From there, training can only be for the better: a randomly initialised head has to find
    again, from few positives, what the branches' own heads already know.

    Args:
        global_: head of the global branch.
        local: head of the local branch, with the same findings.
        metadata: columns of metadata beside the pooled features.
    """
    heads = (global_, local)
    inputs = sum(head.in_features for head in heads) + metadata
    fusion = Fusion(inputs, global_.out_features)
    unknown = torch.zeros(global_.out_features, metadata)
    with torch.no_grad():
        weight = torch.cat([heads[0].weight / 2, heads[1].weight / 2, unknown], dim=1)
        fusion.head.weight.copy_(weight)
        fusion.head.bias.copy_((heads[0].bias + heads[1].bias) / 2)
    return fusion
