"""Pretraining a cascade's CapsNet: on thumbnails, by margin loss and reconstruction."""

import dataclasses

import numpy as np
import pytest
import torch
from made_results import made_images, made_index, made_splits

from pipeline.base.findings import FINDINGS
from pipeline.capsnet.autoencoder import build_autoencoder
from pipeline.capsnet.pretraining import (
    capsnet_state,
    describe_pretraining,
    fit_capsnet,
    pretrain,
    thumbnails,
    with_labels,
    with_reconstruction,
    write_pretrained,
)
from pipeline.capsnet.reconstructions import read_reconstructions
from pipeline.networks.branch import BranchSpec, build_branch
from pipeline.networks.checkpoints import read_checkpoint
from pipeline.params.whole import load_params
from pipeline.training.data.examples import Examples
from pipeline.training.losses import build_loss
from tests.stages.conftest import REPO

PARAMS = load_params(REPO / "tests/tiny.yaml")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    index = made_index()
    shards = made_images(index, tmp_path_factory.mktemp("images") / "i", size=56)
    examples = thumbnails(shards, index, made_splits(index))
    network = build_autoencoder(len(FINDINGS), seed=0)
    start = {k: v.clone() for k, v in network.state_dict().items()}
    epochs = list(fit_capsnet(network, examples, PARAMS.train, PARAMS.capsnet, seed=1))
    return shards, index, examples, network, start, epochs


def test_thumbnails_are_28_pixels_with_their_labels_beside_them(pretrained):
    shards, index, examples, *_ = pretrained
    stored, labels = examples["train"].inputs
    images = stored.to(torch.device("cpu"))
    assert images.shape[1:] == (1, 28, 28)
    assert images.dtype == torch.uint8
    assert torch.equal(labels, examples["train"].targets)
    row = int(np.flatnonzero(index["image_index"] == examples["train"].image_index[3])[0])
    small = shards[row].reshape(28, 2, 28, 2).mean(axis=(1, 3))
    assert np.corrcoef(images[3, 0].flatten(), small.flatten())[0, 1] > 0.9


def test_every_layer_learns_the_decoder_included(pretrained):
    *_, network, start, epochs = pretrained
    assert len(epochs) == PARAMS.capsnet.epochs
    assert all(not torch.equal(v, start[k]) for k, v in network.state_dict().items())


def test_the_loss_is_the_papers_margin_and_reconstruction():
    targets = (torch.rand(50, 14, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    margin = build_loss("margin", targets, PARAMS.train.losses).loss
    logits, errors = torch.randn(50, 14), torch.rand(50) * 100
    outputs = torch.cat([logits, errors[:, None]], dim=1)
    lengths = logits.sigmoid()
    per_image = (
        targets * (0.9 - lengths).clamp(min=0) ** 2
        + 0.5 * (1 - targets) * (lengths - 0.1).clamp(min=0) ** 2
    ).sum(dim=1) + 0.0005 * errors
    found = with_reconstruction(margin, weight=0.0005)(outputs, targets)
    torch.testing.assert_close(found, per_image.mean())


def test_an_image_s_reconstruction_counts_as_much_as_its_labels_are_known():
    targets = (torch.rand(50, 14, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    targets[:10] = torch.nan
    targets[20:, 3] = torch.nan
    margin = build_loss("margin", targets, PARAMS.train.losses).loss
    logits, errors = torch.randn(50, 14), torch.rand(50) * 100
    outputs = torch.cat([logits, errors[:, None]], dim=1)
    terms = [
        errors[row] for row in range(50) for label in targets[row].tolist() if label in (0.0, 1.0)
    ]
    expected = 14 * margin(logits, targets) + 0.0005 * torch.stack(terms).mean()
    for partly in (True, False):
        found = with_reconstruction(margin, weight=0.0005, partly=partly)(outputs, targets)
        torch.testing.assert_close(found, expected)


def test_the_decoder_is_shown_what_is_known():
    targets = torch.tensor([[1.0, torch.nan, 0.0]])
    examples = Examples(["a"], "train", (torch.zeros(1, 1, 28, 28),), targets)
    assert with_labels(examples).inputs[1].tolist() == [[1.0, 0.0, 0.0]]


def test_a_cascade_starts_where_pretraining_ended(pretrained):
    *_, network, _, _ = pretrained
    state, about = capsnet_state(network)
    assert about["findings"] == list(FINDINGS)
    spec = BranchSpec("resnet18_capsnet", FINDINGS, 32, 64, standardise=False)
    branch = build_branch(spec, weights=None, capsnet=state, seed=0)
    masks = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(branch.readout.capsnet.eval()(masks), network.capsnet(masks))
    assert not any("decoder" in name for name in branch.state_dict())


def test_each_finding_has_a_picture_of_its_own(pretrained):
    _, index, examples, network, _, epochs = pretrained
    found = describe_pretraining(network, examples, epochs, keep="loss")
    assert [one.finding for one in found.examples] == list(FINDINGS)
    assert len({one.image_index for one in found.examples}) == len(FINDINGS)
    labels = index.set_index("image_index")
    assert all(labels.loc[one.image_index, one.finding] for one in found.examples)
    assert found.val_auroc == min(epochs, key=lambda epoch: epoch.val_loss).val_auroc


def test_the_pretraining_s_kept_epoch_is_told_of_by_the_rule_in_force(pretrained):
    _, _, examples, network, _, (epoch,) = pretrained
    second = dataclasses.replace(epoch, epoch=2, val_loss=epoch.val_loss + 1, val_auroc=0.99)
    for keep, kept in (("loss", 1), ("auroc", 2), ("last", 2)):
        found = describe_pretraining(network, examples, [epoch, second], keep=keep)
        assert (found.epochs, found.kept, found.keep) == (2, kept, keep)
        assert found.val_auroc == [epoch, second][kept - 1].val_auroc


def follow(member, fit):
    return list(fit())


def pretrained_members(cascades, images, seed=3):
    return pretrain(cascades, images, PARAMS.train, PARAMS.capsnet, seed=seed, follow=follow)


def test_nothing_is_read_or_trained_where_no_branch_is_a_cascade(caplog, tmp_path):
    def images():
        raise AssertionError

    plain = {"global": False, "local": False}
    with caplog.at_level("INFO"):
        found = pretrained_members({"model": plain, "b": plain}, images)
    assert "nothing to pretrain" in caplog.text
    write_pretrained(found, tmp_path / "starts", tmp_path / "described")
    for member in ("model", "b"):
        assert read_reconstructions(tmp_path / "described" / member) is None
        for branch in plain:
            path = tmp_path / "starts" / member / f"{branch}.safetensors"
            assert read_checkpoint(path) == ({}, {"network": "none"})


def test_each_cascade_has_a_capsnet_of_its_member_s_own_seed(pretrained, tmp_path):
    _, _, examples, *_ = pretrained
    cascades = {
        "model": {"global": True, "local": False},
        "b": {"global": True, "local": True},
        "c": {"global": False, "local": False},
    }
    found = pretrained_members(cascades, lambda: examples)
    write_pretrained(found, tmp_path / "starts", tmp_path / "described")
    states = {
        (member, branch): read_checkpoint(tmp_path / "starts" / member / f"{branch}.safetensors")[
            0
        ]
        for member, needed in cascades.items()
        for branch in needed
    }
    assert {place for place, state in states.items() if state} == {
        ("model", "global"), ("b", "global"), ("b", "local"),
    }  # fmt: skip
    one, other, third = states["model", "global"], states["b", "global"], states["b", "local"]
    assert all(torch.equal(value, third[name]) for name, value in other.items())
    assert not all(torch.equal(value, one[name]) for name, value in other.items())
    alone = pretrained_members({"b": cascades["b"]}, lambda: examples)["b"].states["global"][0]
    assert all(torch.equal(value, alone[name]) for name, value in other.items())
    described = {name: read_reconstructions(tmp_path / "described" / name) for name in cascades}
    assert [name for name, one in described.items() if one is None] == ["c"]


def test_the_same_seed_gives_the_same_capsnet(pretrained):
    _, _, examples, network, _, _ = pretrained
    again = build_autoencoder(len(FINDINGS), seed=0)
    list(fit_capsnet(again, examples, PARAMS.train, PARAMS.capsnet, seed=1))
    for (key, value), other in zip(
        network.state_dict().items(), again.state_dict().values(), strict=True
    ):
        assert torch.equal(value, other), key
