"""Whether an image is like those that a model was trained on, by its thumbnail.

A Mahalanobis distance, as Lee et al. 2018 (arXiv:1807.03888) take it of a network's features: in
the plane in which the training images vary most, and off it. Of thumbnails, since the features of
a network that has learnt little, or from few images, tell an inverted or lying chest from an
upright one no more than they have to.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, UInt8

from pipeline.base.shards import Shards, expect_rows
from pipeline.errors import ArtifactError
from pipeline.networks.checkpoints import read_checkpoint, write_checkpoint

FALSE_ALARMS = 0.01
"""Share of validation images that are called unlike the training images."""

_MOST_DIRECTIONS = 64
_IMAGES_PER_DIRECTION = 10
_LEAST = 1e-6
_LEAST_CONTRAST = 0.02
"""Of a thumbnail, as a share of white: what is flatter is noise."""


@dataclass(frozen=True)
class Familiarity:
    """The training images, and the distance from them that few validation images exceed."""

    mean: Float[np.ndarray, "256"]
    directions: Float[np.ndarray, "k 256"]
    """Orthonormal, of the plane."""
    spreads: Float[np.ndarray, " k"]
    """Standard deviations along them."""
    rest: float
    """Root mean square of what is off the plane."""
    limit: float
    """`FALSE_ALARMS` of the validation images are further away."""

    def distances(self, thumbnails: UInt8[np.ndarray, "n 16 16"]) -> Float[np.ndarray, " n"]:
        """Root mean square of an image's standard scores, in the plane and off it; about 1."""
        centred = _standardised(thumbnails) - self.mean
        along = centred @ self.directions.T
        off = np.sqrt(np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0))
        inside = (along / self.spreads) ** 2
        return np.asarray(np.sqrt((inside.mean(axis=1) + (off / self.rest) ** 2) / 2))

    def is_familiar(self, thumbnails: UInt8[np.ndarray, "n 16 16"]) -> Bool[np.ndarray, " n"]:
        """Whether each image is as near as validation images are."""
        return np.asarray(self.distances(thumbnails) <= self.limit)


def _standardised(thumbnails: UInt8[np.ndarray, "n 16 16"]) -> Float[np.ndarray, "n 256"]:
    """Brightness and contrast, which differ from one machine to the next, mean nothing."""
    pixels = thumbnails.reshape(len(thumbnails), -1) / 255
    spread = np.maximum(pixels.std(axis=1, keepdims=True), _LEAST_CONTRAST)
    return np.asarray((pixels - pixels.mean(axis=1, keepdims=True)) / spread)


def fit_familiarity(thumbnails: Shards, index: pd.DataFrame, splits: pd.DataFrame) -> Familiarity:
    """What there is to know of the training images, and how far validation images are from it.

    Args:
        thumbnails: of all images; row i is image i of the index.
        index: schema INDEX.
        splits: schema SPLITS.
    """
    expect_rows(len(thumbnails), index, of="thumbnails")
    of_split = splits.set_index("image_index")["split"].loc[index["image_index"]].to_numpy()
    train, val = (
        thumbnails.gather(np.flatnonzero(of_split == split)) for split in ("train", "val")
    )
    seen = _standardised(train)
    mean = seen.mean(axis=0)
    spectrum, vectors = np.linalg.eigh(np.cov(seen - mean, rowvar=False, bias=True))
    number = max(1, min(_MOST_DIRECTIONS, len(train) // _IMAGES_PER_DIRECTION))
    spreads = np.sqrt(np.maximum(spectrum[::-1][:number], _LEAST))
    rest = float(np.sqrt(max(spectrum[::-1][number:].sum(), _LEAST)))
    found = Familiarity(mean, vectors[:, ::-1][:, :number].T, spreads, rest, limit=np.inf)
    limit = float(np.quantile(found.distances(val), 1 - FALSE_ALARMS))
    return replace(found, limit=limit)


def write_familiarity(found: Familiarity, path: Path) -> None:
    """Write it as safetensors."""
    arrays = {
        name: torch.from_numpy(np.ascontiguousarray(getattr(found, name), np.float32))
        for name in ("mean", "directions", "spreads")
    }
    about = {"rest": found.rest, "limit": found.limit, "false_alarms": FALSE_ALARMS}
    write_checkpoint(arrays, {"familiarity": about}, path)


def read_familiarity(path: Path) -> Familiarity:
    """Read it.

    Raises:
        ArtifactError: no such file, or something else.
    """
    arrays, about = read_checkpoint(path)
    if "familiarity" not in about:
        raise ArtifactError(f"{path}: is something else than what is known of training images")
    known = about["familiarity"]
    kept = {name: array.numpy().astype(np.float64) for name, array in arrays.items()}
    return Familiarity(**kept, rest=known["rest"], limit=known["limit"])
