"""Branches: one tensor is pooled, mapped and classified."""

import pytest
import torch
from branches import (
    ALL,
    CAPSULES,
    LINEAR,
    built_branch,
    each_kind,
    few_kinds,
    make_branch,
    no_initialisation,
    of_each,
    some_images,
)
from torch.nn import functional

from pipeline.base.findings import FINDINGS
from pipeline.errors import ArtifactError, ParamsError
from pipeline.networks.branch import adopt, restore_branch
from pipeline.networks.checkpoints import read_checkpoint, write_checkpoint
from pipeline.networks.readouts.readout import CapsuleCascade


@of_each(few_kinds(ALL))
def test_a_branch_gives_maps_a_vector_and_a_logit_per_finding(name):
    branch, images = make_branch(name), some_images(3)
    with torch.inference_mode():
        maps, pooled, logits = branch.feature_map(images), branch.pooled(images), branch(images)
        torch.testing.assert_close(branch.head(pooled), logits)
        torch.testing.assert_close(branch.readout(maps), pooled)
    assert maps.ndim == 4
    assert len(maps) == 3
    assert maps.min() >= 0
    assert pooled.shape == (3, branch.head.weight.shape[1])
    assert logits.shape == (3, len(FINDINGS))


@of_each(each_kind(LINEAR))
def test_feature_maps_have_no_upper_bound_that_would_flatten_their_maximum(name):
    branch = make_branch(name)
    norms = (torch.nn.BatchNorm2d, torch.nn.LayerNorm)
    last = [m for m in branch.blocks[-1].modules() if isinstance(m, norms)][-1]
    last.weight.data.fill_(1e12)  # an untrained network whispers
    attention = branch.feature_map(some_images(1)).abs().amax(dim=1)
    assert attention.max() > 100
    assert attention.unique().numel() == attention.numel()


@of_each(["mobilenet_v2", *each_kind(CAPSULES)])
def test_logits_are_computed_in_fp32_behind_features_in_bf16(name):
    branch, images = make_branch(name), some_images(3)
    with torch.autocast("cpu", torch.bfloat16):
        pooled, logits = branch.pooled(images), branch(images)
    assert branch.feature_map(images).dtype == torch.float32
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, branch.head(pooled.float()), rtol=1e-6, atol=1e-6)


@of_each(few_kinds(ALL))
def test_an_image_is_judged_alike_in_any_company(name):
    branch, images = make_branch(name), some_images(4)
    with torch.inference_mode():
        alone = torch.cat([branch(image[None]) for image in images])
        torch.testing.assert_close(branch(images), alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "capsnet", "mobilenet_v2_capsnet"])
def test_a_standardised_branch_does_not_see_exposure(name):
    branch = make_branch(name, standardise=True)
    images = some_images(3)
    exposure = torch.tensor([0.3, 0.6, 0.9]).view(3, 1, 1, 1)
    torch.testing.assert_close(
        branch(images * exposure + 0.1), branch(images), rtol=1e-3, atol=1e-3
    )
    assert torch.isfinite(branch(torch.full((1, 1, 64, 64), 0.5))).all()


@of_each(each_kind(CAPSULES))
def test_a_capsules_logit_is_the_logit_of_its_length(name):
    branch, images = make_branch(name), some_images()
    with torch.inference_mode():
        pooled, logits = branch.pooled(images), branch(images)
    capsules = pooled[:, :-14].unflatten(1, (14, 16))
    lengths = capsules.norm(dim=2)
    torch.testing.assert_close(logits.sigmoid(), lengths, rtol=1e-3, atol=1e-5)


def test_no_prior_shifts_a_capsules_length():
    branch, images = make_branch("capsnet"), some_images()
    before = branch(images)
    branch.start_at(torch.full((14,), -3.0))
    assert torch.equal(branch(images), before)
    plain = make_branch("resnet18")
    plain.start_at(torch.full((14,), -3.0))
    assert (plain.head.bias == -3).all()


def test_a_cascades_mask_lays_its_cells_out_by_place():
    """A cell of the 7 x 7 grid is a 4 x 4 square of the mask, where the cell is."""
    branch = make_branch("mobilenet_v2_capsnet", size=224)
    maps = torch.zeros(2, 1280, 7, 7)
    maps[1, :, 2, 5] = 1.0
    with torch.inference_mode():
        masks = branch.readout.mask(maps)
    assert masks.shape == (2, 1, 28, 28)
    assert masks.min() > 0
    assert masks.max() < 1
    rows, columns = (masks[0, 0] != masks[1, 0]).nonzero(as_tuple=True)
    assert (int(rows.min()), int(rows.max())) == (8, 11)
    assert (int(columns.min()), int(columns.max())) == (20, 23)


def started(name, start, mine="resnet18"):
    branch, other = make_branch(mine), make_branch(name, seed=3)
    adopt(branch, other.state_dict(), other.spec.about(), start=start)
    return branch, other


@of_each(["resnet18", *each_kind(CAPSULES)])
def test_a_local_branch_may_start_as_the_global_one(name):
    branch, other = started(name, "global", mine=name)
    images = some_images()
    assert torch.equal(branch(images), other(images))


@pytest.mark.parametrize(("name", "start"), [("mobilenet_v2", "global"), ("resnet18", "weights")])
def test_a_branch_that_adopts_nothing_stays_as_it_was_and_says_why(name, start, caplog):
    branch, _ = started(name, start)
    is_told = "ended, which is a mobilenet_v2, but from its own weights" in caplog.text
    assert is_told == (start == "global")
    before = make_branch("resnet18")
    images = some_images()
    assert torch.equal(branch(images), before(images))


def test_a_local_branch_that_the_global_one_does_not_fit_says_so():
    branch, other = (
        make_branch("timm:vit_tiny_patch16_224", size=32),
        make_branch("timm:vit_tiny_patch16_224", size=64),
    )
    with pytest.raises(ParamsError, match=r"1 misshapen \['features.network.pos_embed"):
        adopt(branch, other.state_dict(), other.spec.about(), start="global")


@of_each(few_kinds(ALL))
def test_a_checkpoint_brings_back_the_same_branch(tmp_path, name):
    branch = make_branch(name)
    write_checkpoint(branch.state_dict(), branch.spec.about(), tmp_path / "b.safetensors")
    with no_initialisation():  # of the same seed it would be the same without the checkpoint
        again = restore_branch(*read_checkpoint(tmp_path / "b.safetensors"))
    images = some_images()
    assert again.spec == branch.spec
    assert torch.equal(again(images), branch(images))


def test_the_same_branch_is_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        branch = built_branch(seed=3)
        write_checkpoint(branch.state_dict(), branch.spec.about(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_building_a_branch_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    built_branch()
    assert torch.equal(torch.rand(3), expected)


def test_a_checkpoint_of_another_kind_of_network_is_refused():
    with pytest.raises(ArtifactError, match="not of a branch"):
        restore_branch({}, {"findings": list(FINDINGS), "metadata": {}})


@pytest.mark.parametrize("cells", [(7, 7), (3, 3), (14, 14), (5, 9)])
def test_a_mask_of_another_grid_is_resized_as_an_image_is(cells):
    cascade = CapsuleCascade(8, 14)
    maps = torch.rand(2, 8, *cells)
    with torch.no_grad():
        plain = functional.pixel_shuffle(cascade.project(maps), 4).sigmoid()
        expected = functional.interpolate(plain, (28, 28), mode="bilinear", antialias=True)
        torch.testing.assert_close(cascade.mask(maps), expected)
