"""Heatmaps and crop boxes of a cohort: what points nowhere is not passed off as a crop."""

import logging

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.artifacts.heatmaps import Maps
from pipeline.artifacts.shards import Shards, write_shards
from pipeline.attention.extract import place_crops, seen_rows
from pipeline.errors import ArtifactError
from pipeline.findings import FINDINGS
from pipeline.grid import tiles
from pipeline.networks.branch import BranchSpec, build_branch
from pipeline.params.sections import CropParams

CROP = CropParams(method="attention", threshold=0.7, margin=0.1, min_side=0.3, size=32)


def placed(tmp_path, *grids):
    write_shards(({"attention": grid[None].astype(np.float16)} for grid in grids), tmp_path / "h")
    index = pd.DataFrame({"image_index": [f"{n}.png" for n in range(len(grids))]})
    maps = Maps(Shards(tmp_path / "h", "attention"), tiles(7))
    return place_crops(index, maps, CROP)


def test_a_map_that_points_nowhere_leaves_the_whole_image_and_says_so(tmp_path, caplog):
    corner = np.zeros((7, 7))
    corner[1, 1] = 1
    almost_flat = np.linspace(0.8, 1, 49).reshape(7, 7)
    with caplog.at_level(logging.INFO):
        table = placed(tmp_path, corner, np.zeros((7, 7)), np.full((7, 7), 6), almost_flat)
    assert table["source"].tolist() == ["attention"] + 3 * ["whole image"]
    assert (table.loc[1:, ["x1", "y1", "x2", "y2"]] == [0, 0, 1, 1]).all(axis=None)
    assert table.loc[0, "x2"] < 0.5
    assert "3 of 4 crops are the whole image" in caplog.text


def test_a_heatmap_that_float16_cannot_hold_is_refused(tmp_path):
    spec = BranchSpec("resnet18", FINDINGS, 32, 32, standardise=False)
    branch = build_branch(spec, weights=None, seed=0)
    with torch.no_grad():
        branch.features[-1][-1].bn2.weight.fill_(1e7)
    image = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    write_shards([{"image": image}], tmp_path / "i")
    with pytest.raises(ArtifactError, match="attention heatmaps exceed float16"):
        list(seen_rows(branch, Shards(tmp_path / "i"), ["attention"], size=32, flip=False))
