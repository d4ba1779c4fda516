"""Batches are the same rows, whether they lie on the device or are read ahead from disk."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tasks import branch, images, task
from training_numbers import PLAN

from pipeline.base.shards import Shards, write_shards
from pipeline.networks.rows import Rows, StoredImages, load_images
from pipeline.training.data import batches as module
from pipeline.training.data.batches import cached, gathered
from pipeline.training.fit import fit
from pipeline.training.predict import predict_logits
from pipeline.training.records.digests import digest_of_rows as digest

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards") / "images"
    pixels = np.random.default_rng(0).integers(0, 256, (50, 40, 40), np.uint8)
    write_shards(({"image": image} for image in pixels), folder, shard_rows=16)
    return StoredImages(Shards(folder), np.arange(50)[::-1].copy(), 32)


def test_a_tensor_and_stored_images_are_rows(stored):
    assert isinstance(stored, Rows)
    assert isinstance(torch.zeros(3, 2), Rows)
    assert stored.nbytes == stored.to(CPU).nbytes == 50 * 32 * 32


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_batches_are_the_rows_that_were_asked_for_in_order(stored, data):
    numbers = data.draw(st.lists(st.integers(0, 49), max_size=40))
    size = data.draw(st.integers(1, 12))
    rows = list(torch.tensor(numbers, dtype=torch.long).split(size)) if numbers else []
    labels = torch.arange(50).float()
    whole = load_images(stored.shards, stored.rows, size=32)
    for inputs in ((stored, labels), (stored.to(CPU), labels)):
        found = list(gathered(inputs, rows, CPU))
        assert len(found) == len(rows)
        for (pixels, target), wanted in zip(found, rows, strict=True):
            assert torch.equal(pixels, whole[wanted])
            assert torch.equal(target, labels[wanted])


def test_a_reader_that_fails_says_so_and_one_that_is_left_alone_ends(stored):
    class Broken:
        nbytes = 0

        def __len__(self):
            return 50

        def __getitem__(self, rows):
            raise OSError("disk gone")

        def to(self, device):
            raise OSError("disk gone")

    rows = list(torch.arange(50).split(5))
    with pytest.raises(OSError, match="disk gone"):
        list(gathered((Broken(),), rows, CPU))
    batches = gathered((stored,), rows, CPU)
    next(batches)
    batches.close()


def test_images_are_kept_on_the_device_where_they_fit(stored, monkeypatch):
    examples = [dataclasses.replace(images(50, 0), inputs=(stored,))]
    for free, mode, kept in [
        (1e9, "auto", True), (1e4, "auto", False), (1e9, "off", False), (1e4, "on", True),
    ]:  # fmt: skip
        monkeypatch.setattr(module, "free_bytes", lambda device, free=free: free)
        (found,) = cached(examples, CPU, mode=mode)
        assert isinstance(found.inputs[0], torch.Tensor) == kept


def test_what_lies_on_the_device_targets_included_is_not_read_ahead(monkeypatch):
    """The meta device stands for a GPU: it, too, is not where tensors are made."""
    device = torch.device("meta")
    monkeypatch.setattr(module, "free_bytes", lambda device: 1e9)
    monkeypatch.setattr(module, "_read_ahead", None)
    (found,) = cached([images(20, 0)], device, mode="auto")
    batches = list(gathered((*found.inputs, found.targets), [torch.arange(5)] * 3, device))
    assert [tuple(part.shape for part in batch) for batch in batches] == [
        ((5, 1, 32, 32), (5, 14))
    ] * 3
    assert {part.device.type for batch in batches for part in batch} == {"meta"}


def test_a_training_is_the_same_from_disk_as_from_memory(stored):
    what = task(images, rows=50)
    trained = []
    for mode in ("on", "off"):
        train = dataclasses.replace(what.train, inputs=(stored,))
        network = branch()
        plan = dataclasses.replace(PLAN, device_cache=mode, epochs=2)
        epochs = list(fit(network, dataclasses.replace(what, train=train), plan))
        trained.append(([e.train_loss for e in epochs], network.state_dict()))
    assert trained[0][0] == trained[1][0]
    assert all(torch.equal(v, trained[1][1][k]) for k, v in trained[0][1].items())


def test_logits_of_some_rows_are_those_of_all(stored):
    network = branch().eval()
    whole = predict_logits(network, (stored,), precision="fp32")
    some = torch.tensor([3, 40, 7])
    found = predict_logits(network, (stored,), precision="fp32", rows=some)
    torch.testing.assert_close(found, whole[some], rtol=1e-4, atol=1e-5)


def test_a_digest_is_of_every_byte(stored):
    pixels = stored.to(CPU)
    assert digest(pixels) == digest(pixels.clone())
    assert digest(stored) == digest(dataclasses.replace(stored))
    for other in (
        dataclasses.replace(stored, size=31),
        dataclasses.replace(stored, rows=stored.rows[::-1].copy()),
        dataclasses.replace(stored, rows=stored.rows[:49]),
    ):
        assert digest(other) != digest(stored)
    for row in (0, 25, 49):
        other = pixels.clone()
        other[row, 0, 31, 31] += 1
        assert digest(other) != digest(pixels)
    assert digest(pixels.flip(0)) != digest(pixels)
    assert digest(pixels[:49]) != digest(pixels)
