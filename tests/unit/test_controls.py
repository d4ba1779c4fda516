"""Maps of random weights: of the images with boxes only, scaled, and not the trained network's."""

import numpy as np
import pandas as pd
import pytest
from branches import make_branch

from pipeline.artifacts.heatmaps import read_controls, write_controls
from pipeline.artifacts.shards import Shards, write_shards
from pipeline.attention.controls import boxed_images, control_rows
from pipeline.grid import tiles
from pipeline.networks.branch import unfold_branch
from pipeline.networks.layers import find_layer

INDEX = pd.DataFrame({"image_index": ["a.png", "b.png", "c.png"]})
BOXES = pd.DataFrame({"image_index": ["c.png", "a.png", "a.png"], "finding": ["Mass"] * 3})


def test_images_with_boxes_are_found_by_their_row():
    wanted = boxed_images(BOXES, INDEX, wanted=True)
    assert wanted.to_dict() == {0: "a.png", 2: "c.png"}
    assert boxed_images(BOXES, INDEX, wanted=False).empty


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3", "capsnet"])
def test_maps_of_random_weights_have_a_maximum_of_one_and_are_kept_by_name(tmp_path, name):
    rng = np.random.default_rng(0)
    write_shards(
        [{"image": rng.integers(0, 256, (64, 64), np.uint8)} for _ in range(3)], tmp_path / "i"
    )
    branch = unfold_branch(make_branch(name).spec.about(), seed=4)
    layer = find_layer(branch, "last")
    rows = control_rows(
        branch, layer, Shards(tmp_path / "i"), ["attention", "cam"], np.array([0, 2])
    )
    write_controls(rows, tmp_path / "c", grid=layer.grid, names=["a.png", "c.png"])
    controls = read_controls(tmp_path / "c")
    assert controls.rows == {"a.png": 0, "c.png": 1}
    assert controls.maps["attention"][0].shape[0] == 1
    assert len(controls.maps["cam"]) == 2
    peaks = controls.maps["cam"][0].max(axis=(1, 2))
    assert set(np.unique(peaks)) <= {0.0, 1.0}
    assert 1.0 in peaks


def test_another_seed_is_another_network():
    about = make_branch("resnet18").spec.about()
    one, other = (unfold_branch(about, seed=seed).head.weight for seed in (1, 2))
    assert not (one == other).any()


def test_no_controls_are_an_empty_folder_that_is_read_as_none(tmp_path):
    write_controls([], tmp_path / "c", grid=tiles(7), names=[])
    controls = read_controls(tmp_path / "c")
    assert (dict(controls.maps), dict(controls.rows)) == ({}, {})
