"""A trial trains what its stage trains; the params that decide on it are its snapshots' key."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.base.findings import FINDINGS
from pipeline.base.shards import write_shards
from pipeline.base.tables import write_index, write_splits
from pipeline.params.whole import parse_params
from pipeline.search.fits import FITS, deciding, own_params
from pipeline.search.trials import changed

REPO = Path(__file__).parents[3]
BASE = yaml.safe_load((REPO / "tests/tiny.yaml").read_text())
SMALL = {"train.batch_size": 8, "global.epochs": 2}


@pytest.fixture
def inputs(tmp_path):
    """Thirty images of noise, their labels and their splits."""
    chance = np.random.default_rng(0)
    count = 30
    names = [f"{n:08d}_000.png" for n in range(count)]
    images = chance.integers(0, 256, (count, 32, 32), np.uint8)
    write_shards(({"image": image} for image in images), tmp_path / "images")
    index = pd.DataFrame(
        {
            "image_index": names,
            "patient_id": range(count),
            "follow_up": 0,
            "age_years": 50.0,
            "gender": "M",
            "view_position": "PA",
            "width": 32,
            "height": 32,
            "shard": 0,
            "row": range(count),
            **{finding: np.arange(count) % 2 == 0 for finding in FINDINGS},
        }
    )
    write_index(index, tmp_path / "index.parquet")
    split = ["train"] * 16 + ["val"] * 8 + ["test"] * 6
    write_splits(pd.DataFrame({"image_index": names, "split": split}), tmp_path / "splits.parquet")
    return {
        "images": tmp_path / "images",
        "index": tmp_path / "index.parquet",
        "splits": tmp_path / "splits.parquet",
    }


def aurocs(inputs, changes) -> list[float]:
    cfg = parse_params(changed(BASE, SMALL | changes))
    return [epoch.val_auroc for epoch in FITS["global"](cfg, inputs)()]


def test_a_trial_repeats_itself_and_another_one_differs(inputs):
    first = aurocs(inputs, {"model.global": "resnet18"})
    assert len(first) == 2
    assert aurocs(inputs, {"model.global": "resnet18"}) == first
    assert aurocs(inputs, {"model.global": "resnet18", "seed": 8}) != first


@pytest.mark.parametrize("branch", FITS)
def test_the_epochs_of_a_branch_are_its_own(branch):
    cfg = parse_params(changed(BASE, {f"{branch}.epochs": 9}))
    assert own_params(cfg, branch).epochs == 9
    assert [own_params(cfg, other).epochs for other in FITS if other != branch] == [1, 1]
    assert deciding(cfg, branch) != deciding(parse_params(BASE), branch)
