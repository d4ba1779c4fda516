"""A pyramid on a backbone's stages: where its cells look, what it starts from, what it refuses."""

import numpy as np
import pytest
import torch
from branches import built_branch, grid_of, make_branch, some_images

from pipeline.attention.heatmap import HEATMAPS
from pipeline.attention.look import look
from pipeline.base.grid import Grid
from pipeline.errors import ParamsError
from pipeline.networks.backbones.pyramid import WIDTH, _resampling, passed
from pipeline.networks.backbones.receptive_field import Measured
from pipeline.networks.branch import adopt, restore_branch
from pipeline.networks.checkpoints import read_checkpoint, write_checkpoint
from pipeline.networks.layers import find_layer
from pipeline.networks.readouts.readout import POOLINGS
from pipeline.training.schedule import blocks_of, release

STAGED = [
    "resnet18",
    "mobilenet_v2",
    "mobilenet_v3",
    "timm:test_resnet",
    "timm:test_efficientnet",
    pytest.param("densenet121", marks=pytest.mark.slow),
    pytest.param("convnext_tiny", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("name", STAGED)
def test_its_cells_are_those_of_the_finest_level(name):
    branch = make_branch(name, pyramid=8)
    maps = branch.feature_map(some_images())
    assert maps.shape == (2, WIDTH, 8, 8)
    assert branch.grid.step == pytest.approx(1 / 8)
    assert len(branch.blocks) == len(make_branch(name).blocks) + 1


@pytest.mark.parametrize("cells", [4, 8, 16])
def test_a_finer_pyramid_has_more_cells_whatever_the_stride(cells):
    for stride in (16, 32):
        branch = make_branch("mobilenet_v2", pyramid=cells, output_stride=stride)
        assert branch.feature_map(some_images(1)).shape[-1] == 64 // cells


def test_coarse_maps_come_to_the_places_where_fine_cells_look():
    """What grows evenly across the image does so behind the resampling, but for its borders."""
    old = Measured(torch.nn.Identity(), (1, 1, 4, 4), Grid(first=0.13, step=0.25))
    new = Measured(torch.nn.Identity(), (1, 1, 16, 16), Grid(first=0.01, step=0.0625))
    matrix = _resampling(old, new)
    looks = [grid.first + grid.step * np.arange(n) for grid, n in ((old.grid, 4), (new.grid, 16))]
    found = matrix.double().numpy() @ looks[0]
    expected = np.clip(looks[1], looks[0][0], looks[0][-1])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(16))


def test_a_change_of_the_image_is_seen_where_it_is():
    torch.manual_seed(0)
    size = 128
    branch = make_branch("resnet18", pyramid=8, size=size)
    image = torch.rand(1, 1, size, size)
    changed = image.clone()
    y, x = 80, 40
    changed[..., y - 4 : y + 4, x - 4 : x + 4] += 1
    with torch.no_grad():
        moved = (branch.feature_map(changed) - branch.feature_map(image)).abs().sum(dim=1)[0]
    row, column = divmod(int(moved.argmax()), moved.shape[1])
    where = np.array([branch.grid.first + branch.grid.step * one for one in (column, row)])
    assert np.abs(where * size - [x, y]).max() <= 8


def test_every_level_learns():
    branch = make_branch("mobilenet_v2", pyramid=8).train()
    branch(some_images(4)).square().sum().backward()
    for name, parameter in branch.features.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(
    "name", ["timm:test_resnet", "timm:test_efficientnet", "timm:test_convnext"]
)
def test_the_levels_of_timm_s_networks_are_what_their_stages_give(name):
    features = make_branch(name, pyramid=8).eval().features.bottom_up
    images, given = some_images().expand(-1, 3, -1, -1), []
    for module in features.stage_modules():
        module.register_forward_hook(lambda _, __, maps: given.append(maps))
    with torch.no_grad():
        *stages, final = passed(features, images)
        seen, given[:] = list(given), []
        torch.testing.assert_close(final, features(images))
    assert len(stages) == len(seen) > 2
    for one, other in zip(stages, seen, strict=True):
        torch.testing.assert_close(one, other)


def test_it_is_the_last_block_to_be_frozen():
    branch = make_branch("resnet18", pyramid=8)
    assert blocks_of(branch)[-1] is branch.features.top_down
    release(branch, 1)
    learning = {
        name.split(".")[0] for name, p in branch.features.named_parameters() if p.requires_grad
    }
    assert learning == {"top_down"}


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_checkpoint_brings_back_pyramid_and_pooling(tmp_path, pooling):
    branch = built_branch("mobilenet_v2", pyramid=8, pooling=pooling, seed=3)
    write_checkpoint(branch.state_dict(), branch.spec.about(), tmp_path / "a.safetensors")
    again = restore_branch(*read_checkpoint(tmp_path / "a.safetensors"))
    assert again.grid == branch.grid
    torch.testing.assert_close(again(some_images()), branch(some_images()))


def test_a_checkpoint_from_before_there_were_any_has_none():
    branch = built_branch("mobilenet_v2")
    about = {
        key: value
        for key, value in branch.spec.about().items()
        if key not in {"pyramid", "pooling"}
    }
    again = restore_branch(branch.state_dict(), about)
    torch.testing.assert_close(again(some_images()), branch(some_images()))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({}, {"pyramid": 8, "pooling": "pcam"}),
        ({"pyramid": 8, "pooling": "pcam"}, {}),
        ({"pyramid": 8}, {"pyramid": 4}),
        ({"pooling": "pcam"}, {"pooling": "lse"}),
    ],
)
def test_a_local_branch_with_something_else_above_its_backbone_takes_the_backbone(
    theirs, ours, caplog
):
    caplog.set_level("INFO")
    start, local = (
        built_branch("mobilenet_v2", seed=1, **theirs),
        built_branch("mobilenet_v2", seed=2, **ours),
    )
    head = {name: value.clone() for name, value in local.readout.state_dict().items()}
    adopt(local, start.state_dict(), start.spec.about(), start="global")
    first, second = (network.blocks[1].state_dict() for network in (local, start))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert all(
        torch.equal(value, local.readout.state_dict()[name]) for name, value in head.items()
    )
    assert "its head starts anew" in caplog.text


def test_one_with_the_same_above_it_takes_all():
    start, local = (
        built_branch("mobilenet_v2", seed=seed, pyramid=8, pooling="lse") for seed in (1, 2)
    )
    adopt(local, start.state_dict(), start.spec.about(), start="global")
    torch.testing.assert_close(local(some_images()), start(some_images()))


def test_what_has_no_stages_says_so():
    with pytest.raises(ParamsError, match="pyramid: capsnet has no stages"):
        built_branch("capsnet", pyramid=8)


@pytest.mark.parametrize(("name", "cells"), [("densenet121", 1), ("timm:test_vit", 8)])
def test_a_stage_that_is_too_coarse_is_named(name, cells):
    with pytest.raises(ParamsError, match=f"{name} has no stage with cells of {cells} pixels"):
        built_branch(name, pyramid=cells)


def test_heatmaps_of_a_pyramid_are_as_fine_as_its_cells():
    branch, images = make_branch("resnet18", pyramid=8, pooling="pcam"), some_images()
    last = find_layer(branch, "last")
    assert last.shape == (WIDTH, 8, 8)
    assert find_layer(branch, 8) == last
    looked = look(branch, images, last)
    for method in ("attention", "cam", "layercam"):
        assert HEATMAPS[method](looked).shape[-2:] == (8, 8), method
    inner = find_layer(branch, 4)
    assert inner.shape == (64, 16, 16)
    assert HEATMAPS["layercam"](look(branch, images, inner)).shape == (2, 14, 16, 16)


def test_its_grid_is_that_of_the_stage_it_ends_on():
    branch = make_branch("resnet18", pyramid=16)
    assert branch.grid.step == pytest.approx(grid_of("resnet18", 16, 64)[1].step)
