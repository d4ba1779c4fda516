"""Heatmaps of a cohort: what is written is what a look says, whatever the batches."""

import numpy as np
import pytest
import torch
from branches import make_branch

from pipeline.attention import extract
from pipeline.attention.extract import pooled_logits, seen_rows
from pipeline.attention.heatmap import HEATMAPS
from pipeline.attention.look import look
from pipeline.base.findings import FINDINGS
from pipeline.base.shards import Shards, write_shards
from pipeline.errors import ArtifactError
from pipeline.networks.augment import to_unit
from pipeline.networks.layers import find_layer


@pytest.fixture
def shards(tmp_path):
    rng = np.random.default_rng(0)
    images = ({"image": rng.integers(0, 256, (64, 64), np.uint8)} for _ in range(3))
    write_shards(images, tmp_path / "i")
    return Shards(tmp_path / "i")


def seen(branch, shards, methods, cells="last", **options):
    layer = find_layer(branch, cells)
    return list(seen_rows(branch, layer, shards, methods, **{"flip": False} | options))


@pytest.mark.parametrize(
    ("name", "cells"), [("resnet18", "last"), ("resnet18", 16), ("capsnet", "last")]
)
def test_rows_are_what_a_look_at_each_image_says(shards, monkeypatch, name, cells):
    monkeypatch.setattr(extract, "_GRADIENT_BYTES", 4 * 14 * 256 * 20 * 20 * 2)  # two at a time
    branch = make_branch(name)
    rows = seen(branch, shards, list(HEATMAPS), cells)
    assert len(rows) == 3
    for image, row in zip(shards.gather(np.arange(3)), rows, strict=True):
        looked = look(
            branch, to_unit(torch.from_numpy(image)[None, None]), find_layer(branch, cells)
        )
        for method, heatmap in HEATMAPS.items():
            assert row[method].dtype == np.float16
            expected = heatmap(looked)[0].numpy()
            scale = max(float(expected.max()), 1e-6)
            np.testing.assert_allclose(row[method] / scale, expected / scale, rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(row["pooled"], looked.pooled[0].detach(), rtol=1e-3, atol=1e-4)


def test_only_the_rows_asked_for_are_looked_at(shards):
    branch = make_branch("resnet18")
    every = seen(branch, shards, ["cam"])
    some = seen(branch, shards, ["cam"], rows=np.array([2, 1]))
    for row, expected in zip(some, (every[2], every[1]), strict=True):
        np.testing.assert_allclose(row["cam"], expected["cam"], rtol=1e-2, atol=1e-3)


def test_with_flip_the_features_are_the_mean_of_image_and_mirror_image(shards):
    branch = make_branch("resnet18")
    (plain, *_), (both, *_) = (seen(branch, shards, ["cam"], flip=flip) for flip in (False, True))
    image = to_unit(torch.from_numpy(shards[0].copy())[None, None])
    with torch.no_grad():
        mirrored = branch.pooled(image.flip(-1))[0].numpy()
    np.testing.assert_allclose(
        both["pooled"], (plain["pooled"] + mirrored) / 2, rtol=1e-3, atol=1e-5
    )
    np.testing.assert_array_equal(both["cam"], plain["cam"])


def test_logits_of_stored_features_are_those_of_the_images(shards, tmp_path):
    branch = make_branch("resnet18")
    write_shards(
        ({"pooled": row["pooled"]} for row in seen(branch, shards, ["cam"])), tmp_path / "f"
    )
    found = pooled_logits(branch, Shards(tmp_path / "f", "pooled"))
    images = to_unit(torch.from_numpy(shards.gather(np.arange(3)))[:, None])
    assert found.shape == (3, len(FINDINGS))
    with torch.no_grad():
        np.testing.assert_allclose(found, branch(images).numpy(), rtol=1e-3, atol=1e-4)


def test_a_heatmap_that_float16_cannot_hold_is_refused(shards):
    branch = make_branch("resnet18")
    with torch.no_grad():
        branch.features[-1][-1].bn2.weight.fill_(1e7)
    with pytest.raises(
        ArtifactError, match="attention heatmaps are no numbers, or exceed float16"
    ):
        seen(branch, shards, ["attention"])


def test_memory_is_bounded_by_smaller_batches():
    sizes = {size: make_branch("resnet18", size=size) for size in (224, 448)}
    last = {size: extract._batch(one, find_layer(one, "last")) for size, one in sizes.items()}
    assert last == {224: extract.FORWARD, 448: extract.FORWARD // 4}
    branch = sizes[448]
    inner = find_layer(branch, 4)
    assert extract._batch(branch, inner) * 4 * 14 * np.prod(inner.shape) <= 2**28
