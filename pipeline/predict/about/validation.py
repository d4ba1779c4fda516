"""What the members said of the validation images: the scale on which a new one is placed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from pipeline.base.findings import FINDINGS
from pipeline.errors import ArtifactError
from pipeline.networks.checkpoints import read_checkpoint, write_checkpoint

_VOTED = "ensemble"  # no member has this name


@dataclass(frozen=True)
class Validation:
    """Probabilities of the validation images, sorted."""

    votes: dict[str, Float[np.ndarray, "f n"]]
    """By member."""
    voted: Float[np.ndarray, "f n"]
    """Of the ensemble."""

    def above(self, voted: Float[np.ndarray, "b f"]) -> Float[np.ndarray, "b f"]:
        """The share of the validation images that each vote is above, ties half."""
        return _ranks(self.voted, voted)

    def ranks(self, member: str, votes: Float[np.ndarray, "b f"]) -> Float[np.ndarray, "b f"]:
        """The share of the validation images that each is above, ties half.

        On a validation image it is the share of `rank_vote`, which ranks all images of a split;
        a single image has only these to be ranked among.
        """
        return _ranks(self.votes[member], votes)


def _ranks(
    seen: Float[np.ndarray, "f n"], votes: Float[np.ndarray, "b f"]
) -> Float[np.ndarray, "b f"]:
    columns = [
        (np.searchsorted(known, new) + np.searchsorted(known, new, side="right")) / 2 / len(known)
        for known, new in zip(seen, votes.T, strict=True)
    ]
    return np.stack(columns, axis=1)


def of_validation(votes: Mapping[str, pd.DataFrame], voted: pd.DataFrame) -> Validation:
    """Those of the systems `<member>.fusion` and of the ensemble (schema PREDICTIONS)."""
    by_member = {name.rpartition(".")[0]: _sorted(table) for name, table in votes.items()}
    return Validation(by_member, _sorted(voted))


def _sorted(table: pd.DataFrame) -> Float[np.ndarray, "f n"]:
    of_split = table.loc[table["split"] == "val", list(FINDINGS)]
    return np.sort(of_split.to_numpy(np.float32), axis=0).T


def write_validation(found: Validation, path: Path) -> None:
    """Write it as safetensors."""
    named = {**found.votes, _VOTED: found.voted}
    arrays = {name: torch.from_numpy(np.ascontiguousarray(one)) for name, one in named.items()}
    write_checkpoint(arrays, {"validation": list(FINDINGS)}, path)


def read_validation(path: Path) -> Validation:
    """Read it.

    Raises:
        ArtifactError: no such file, or something else.
    """
    arrays, about = read_checkpoint(path)
    if "validation" not in about:
        raise ArtifactError(f"{path}: is something else than probabilities of validation images")
    votes = {name: array.numpy() for name, array in arrays.items()}
    return Validation(votes, votes.pop(_VOTED))
