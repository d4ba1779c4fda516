"""A closer look: of the images with boxes only, scaled, and beside it what random weights see."""

import logging

import numpy as np
import pandas as pd
import pytest
from branches import make_branch

from pipeline.attention.boxed_maps import read_boxed_maps, write_boxed_maps
from pipeline.attention.map_boxed import boxed_images, map_boxed
from pipeline.base.shards import Shards, write_shards
from pipeline.networks.branch import unfold_branch
from pipeline.params.sections import HeatmapParams, MapBoxedParams

INDEX = pd.DataFrame({"image_index": ["a.png", "b.png", "c.png"]})
BOXES = pd.DataFrame({"image_index": ["c.png", "a.png", "a.png"], "finding": ["Mass"] * 3})
HEATMAP = HeatmapParams(methods=["attention", "cam"], layer="last")


def test_images_with_boxes_are_found_by_their_row():
    assert boxed_images(BOXES, INDEX).to_dict() == {0: "a.png", 2: "c.png"}


@pytest.fixture
def shards(tmp_path):
    rng = np.random.default_rng(0)
    images = [{"image": rng.integers(0, 256, (64, 64), np.uint8)} for _ in range(3)]
    write_shards(images, tmp_path / "i")
    return Shards(tmp_path / "i")


def boxed_maps(name, shards, folder, *, rows=(0, 2), **params):
    trained = make_branch(name)
    random = unfold_branch(trained.spec.about(), seed=4)
    closer = MapBoxedParams(**{"layer": 8, "methods": ["layercam"]} | params)
    found = map_boxed(trained, random, shards, np.array(rows, int), HEATMAP, closer)
    write_boxed_maps(found, folder, names=[INDEX["image_index"][row] for row in rows])
    return read_boxed_maps(folder)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3"])
def test_each_kind_has_its_methods_and_is_kept_by_name(shards, tmp_path, name):
    found = boxed_maps(name, shards, tmp_path / "f", controls=True)
    assert found.rows == {"a.png": 0, "c.png": 1}
    assert {kind: set(methods) for kind, methods in found.kinds.items()} == {
        "fine": {"layercam"}, "random": {"attention", "cam"}, "fine_random": {"layercam"},
    }  # fmt: skip
    for methods in found.kinds.values():
        for maps in methods.values():
            assert len(maps) == 2
            peaks = maps[0].max(axis=(1, 2))
            assert set(np.unique(peaks)) <= {0.0, 1.0}
            assert 1.0 in peaks
    assert found.kinds["random"]["attention"][0].shape[0] == 1


def test_the_finer_layer_is_finer(shards, tmp_path):
    found = boxed_maps("resnet18", shards, tmp_path / "f", controls=True)
    assert found.kinds["fine"]["layercam"][0].shape == (14, 8, 8)
    assert found.kinds["random"]["cam"][0].shape == (14, 2, 2)


@pytest.mark.parametrize(
    ("params", "kinds"),
    [
        ({"controls": False}, {"fine"}),
        ({"controls": False, "methods": []}, set()),
        ({"controls": True, "methods": []}, {"random"}),
        ({"controls": True, "rows": ()}, set()),
    ],
)
def test_what_is_not_wanted_is_not_written(shards, tmp_path, params, kinds):
    assert set(boxed_maps("resnet18", shards, tmp_path / "f", **params).kinds) == kinds


def test_where_the_grid_is_the_network_s_own_nothing_is_finer(shards, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        found = boxed_maps("capsnet", shards, tmp_path / "f", controls=True)
    assert set(found.kinds) == {"random"}
    assert "nothing is finer" in caplog.text


def test_another_seed_is_another_network():
    about = make_branch("resnet18").spec.about()
    one, other = (unfold_branch(about, seed=seed).head.weight for seed in (1, 2))
    assert not (one == other).any()
