"""The images, lent to a stage that only sometimes reads them: all rows of the shards, or none."""

import shutil
from pathlib import Path

import numpy as np

from pipeline.base.files import replacing
from pipeline.base.shards import Shards


def lend_images(images: Path, folder: Path, *, every: bool) -> None:
    """Write shards that hold every image, or a shard of no rows.

    A stage that depends on them, not on `images`, has nothing to fetch where it reads no image.
    The copy costs the workspace its size, DVC's cache and remotes nothing: they know the bytes.
    """
    with replacing(folder) as fresh:
        if every:
            shutil.copytree(images, fresh)
        else:
            fresh.mkdir()
            _, *shape = Shards(images).shape
            np.save(fresh / "image-00000.npy", np.empty((0, *shape), np.uint8))
