"""A trial trains what its stage trains; the params that decide on it are its snapshots' key."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.base.findings import FINDINGS
from pipeline.base.shards import write_shards
from pipeline.base.tables import write_index, write_splits
from pipeline.params.whole import parse_params
from pipeline.search.fits import FITS, Work, deciding, own_params
from pipeline.search.trials import changed

REPO = Path(__file__).parents[3]
BASE = yaml.safe_load((REPO / "tests/tiny.yaml").read_text())
SMALL = {"train.batch_size": 8, "global.epochs": 2}
SMALLEST = {"model.global": "timm:test_efficientnet"}


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


@pytest.fixture
def trained(inputs, tmp_path, monkeypatch):
    """Trains a trial as in a process of its own; what Ray would be told."""
    tune = pytest.importorskip("pipeline.search.tune")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    work = Work("global", inputs, changed(BASE, SMALL), tmp_path, tmp_path / "wide", threads=1)

    def call(name="t001", *, epochs=0, **changes):
        told = []
        monkeypatch.setattr(tune.tune, "report", told.append)
        known = {"name": name, "changes": SMALLEST | changes, "epochs": epochs}
        tune.train_trial({"known": known}, work)
        shutil.copytree("wide", "left")  # as of a process that is gone, which holds no lock
        shutil.rmtree("wide")
        Path("left").rename("wide")
        return told

    return call


def test_a_trial_tells_of_the_epochs_that_the_search_has_not_heard_of(trained, caplog, tmp_path):
    caplog.set_level("INFO")
    first, second = trained()
    assert (first["epoch"], second["epoch"]) == (1, 2)
    assert min(first["took_s"], second["took_s"]) > 0
    assert len([*tmp_path.glob("wide/.ckpt/t001/*.pt")]) == 1
    (again,) = trained(epochs=1)
    assert again["val_auroc"] == second["val_auroc"]
    assert [one for one in caplog.messages if one.startswith("goes on behind epoch 2 of a run")]
    assert trained(epochs=2) == []


def test_another_trial_has_snapshots_of_its_own(trained, tmp_path):
    trained(epochs=2)
    trained("t002", **{"global.learning_rate": 0.01, "global.epochs": 1})
    assert {path.parent.name for path in tmp_path.glob("wide/.ckpt/*/*.pt")} == {"t001", "t002"}
