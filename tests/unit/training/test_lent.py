"""What is lent: all images or none, and DVC knows which."""

import numpy as np

from pipeline.base.shards import Shards, write_shards
from pipeline.training.lent import lend_images


def test_all_images_are_lent_or_none_of_the_same_shape(tmp_path):
    rows = np.random.default_rng(0).integers(0, 256, (5, 4, 4), np.uint8)
    write_shards(({"image": row} for row in rows), tmp_path / "images", shard_rows=2)
    lend_images(tmp_path / "images", tmp_path / "true", every=True)
    assert (Shards(tmp_path / "true").gather(np.arange(5)) == rows).all()
    lend_images(tmp_path / "images", tmp_path / "false", every=False)
    assert Shards(tmp_path / "false").shape == (0, 4, 4)
