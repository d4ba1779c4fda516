"""What a network is trained and judged on: inputs and targets of one split."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.base.shards import Shards, expect_rows
from pipeline.base.tables import SPLIT_NAMES, targets_of
from pipeline.errors import ArtifactError
from pipeline.networks.rows import Rows, StoredImages


@dataclass(frozen=True)
class Examples:
    """Row i of every field is the same image."""

    image_index: list[str]
    split: str
    inputs: tuple[Rows, ...]
    """What a network's `forward` takes, as it is stored: images are bytes."""
    targets: Float[Tensor, "n f"]
    """1, 0, or NaN: unknown."""

    def __len__(self) -> int:
        return len(self.image_index)


def load_examples(
    shards: Shards, index: pd.DataFrame, splits: pd.DataFrame, *, size: int
) -> dict[str, Examples]:
    """Images of every split at the network's input size, as bytes, read when they are asked for.

    Args:
        shards: images, row i of which is row i of `index`.
        index: labels, schema INDEX.
        splits: schema SPLITS.
        size: side of the network's input, in pixels.
    """
    expect_rows(len(shards), index, of="images")
    return {
        split: _examples(split, shards, _rows_of(split, index, splits), size)
        for split in SPLIT_NAMES
    }


def vector_examples(
    vectors: Float[np.ndarray, "n d"], index: pd.DataFrame, splits: pd.DataFrame
) -> dict[str, Examples]:
    """The same for inputs that are vectors, row i of which is row i of `index`."""
    expect_rows(len(vectors), index, of="features")
    joined = {}
    for split in SPLIT_NAMES:
        rows = _rows_of(split, index, splits)
        inputs = torch.from_numpy(vectors[rows.index.to_numpy()]).float()
        joined[split] = Examples(list(rows["image_index"]), split, (inputs,), _targets(rows))
    return joined


def beside(examples: dict[str, Examples], others: dict[str, Examples]) -> dict[str, Examples]:
    """The same images with the inputs of both, for a network that takes several."""
    return {
        split: replace(one, inputs=(*one.inputs, *others[split].inputs))
        for split, one in examples.items()
    }


def training_rows(index: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """The rows of `index` from which statistics may be taken."""
    return _rows_of("train", index, splits)


def _examples(split: str, shards: Shards, rows: pd.DataFrame, size: int) -> Examples:
    images = StoredImages(shards, rows.index.to_numpy(), size)
    return Examples(list(rows["image_index"]), split, (images,), _targets(rows))


def _rows_of(split: str, index: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    names = set(splits.loc[splits["split"] == split, "image_index"])
    rows = index[index["image_index"].isin(names)]
    if rows.empty:
        raise ArtifactError(f"no image of the index is in the {split} split; run `split` again")
    return rows


def _targets(rows: pd.DataFrame) -> Float[Tensor, "n f"]:
    return torch.from_numpy(targets_of(rows))
