"""With the flip at prediction, what is seen is the mean over an image and its mirror image."""

import numpy as np
import pytest
import torch
from branches import LINEAR, few_kinds, make_branch, some_images

from pipeline.attention.extract import seen_rows
from pipeline.base.shards import Shards, write_shards
from pipeline.networks.layers import find_layer
from pipeline.networks.mirror import mirrored
from pipeline.training.branches import pooled_rows


def both_ways(network, images):
    return (network(images) + network(images.flip(-1))) / 2


@pytest.mark.parametrize("name", few_kinds(LINEAR))
def test_logits_of_a_linear_head_are_the_mean_of_both(name):
    network, images = make_branch(name), some_images(3)
    with torch.inference_mode():
        found, expected = mirrored(network, on=True)(images), both_ways(network, images)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
        assert not torch.equal(found, network(images))
        torch.testing.assert_close(found, mirrored(network, on=True)(images.flip(-1)))


def test_off_it_is_the_network_itself():
    network = make_branch("resnet18")
    assert mirrored(network, on=False) is network


def test_stored_features_of_both_stages_are_the_mean_of_both(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32), np.uint8)
    write_shards(({"image": image} for image in pixels), tmp_path / "images")
    branch, shards = make_branch("resnet18", size=32), Shards(tmp_path / "images")
    images = torch.from_numpy(pixels).unsqueeze(1) / 255
    with torch.inference_mode():
        once = branch.eval().pooled(images)
        both = (once + branch.pooled(images.flip(-1))) / 2
    for flip, expected in ((False, once), (True, both)):
        seen = seen_rows(branch, find_layer(branch, "last"), shards, ["cam"], flip=flip)
        for rows in (seen, pooled_rows(branch, shards, flip=flip)):
            found = np.stack([row["pooled"] for row in rows])
            assert found == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5)


def test_heatmaps_are_of_the_image_as_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32), np.uint8)
    write_shards(({"image": image} for image in pixels), tmp_path / "images")
    branch, shards = make_branch("resnet18", size=32), Shards(tmp_path / "images")
    layer = find_layer(branch, "last")
    plain, twice = (list(seen_rows(branch, layer, shards, ["cam"], flip=f)) for f in (False, True))
    for one, other in zip(plain, twice, strict=True):
        assert np.array_equal(one["cam"], other["cam"])
