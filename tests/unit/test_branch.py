"""Branches: one tensor is pooled, mapped and classified."""

import pytest
import torch

from pipeline.artifacts.checkpoints import read_checkpoint, write_checkpoint
from pipeline.attention.heatmap import HEATMAPS, cam
from pipeline.errors import ArtifactError
from pipeline.findings import FINDINGS
from pipeline.networks.backbone import BACKBONES
from pipeline.networks.branch import BranchSpec, adopt, build_branch, restore_branch


def make_branch(name="mobilenet_v2", seed=0):
    return build_branch(
        BranchSpec(name, FINDINGS, 16, 64, standardise=False), weights=None, seed=seed
    ).eval()


@pytest.mark.parametrize("name", BACKBONES)
def test_feature_maps_are_not_negative(name):
    assert make_branch(name).feature_map(torch.rand(2, 1, 64, 64)).min() >= 0


@pytest.mark.parametrize("name", BACKBONES)
def test_feature_maps_have_no_upper_bound_that_would_flatten_their_maximum(name):
    branch = make_branch(name)
    norms = [m for m in branch.features.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        norms[-1].weight.mul_(1e12)  # an untrained network whispers
    feature_map = branch.feature_map(torch.rand(1, 1, 64, 64))
    attention = HEATMAPS["attention"](feature_map, branch.head.weight)
    assert attention.max() > 100
    assert attention.unique().numel() == attention.numel()


@pytest.mark.parametrize("name", BACKBONES)
def test_the_mean_of_the_unclipped_cam_and_the_bias_are_the_logit(name):
    branch = make_branch(name)
    images = torch.rand(2, 1, 64, 64)
    maps = torch.einsum("bkhw,fk->bfhw", branch.feature_map(images), branch.head.weight)
    logits = maps.mean(dim=(2, 3)) + branch.head.bias
    torch.testing.assert_close(logits, branch(images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(cam(branch.feature_map(images), branch.head.weight), maps.relu())


def test_cam_is_grad_cam_by_autograd():
    branch = make_branch("resnet18").double()
    images = torch.rand(1, 1, 64, 64, dtype=torch.float64)
    maps = branch.feature_map(images).detach().requires_grad_()
    closed = cam(maps, branch.head.weight)[0].detach()
    logits = branch.head(maps.mean(dim=(2, 3)))[0]
    for finding in range(len(FINDINGS)):
        (gradient,) = torch.autograd.grad(logits[finding], maps, retain_graph=True)
        grad_cam = (gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1).relu()[0]
        cells = maps.shape[2] * maps.shape[3]
        torch.testing.assert_close(grad_cam * cells, closed[finding])


@pytest.mark.parametrize("method", HEATMAPS)
def test_every_heatmap_is_one_map_per_finding_or_one_for_all(method):
    maps = HEATMAPS[method](torch.rand(2, 8, 4, 5), torch.randn(14, 8))
    assert maps.shape in {(2, 14, 4, 5), (2, 1, 4, 5)}
    assert maps.min() >= 0


def test_the_head_computes_in_fp32_behind_features_in_bf16():
    branch, images = make_branch(), torch.rand(3, 1, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        pooled, logits = branch.pooled(images), branch(images)
    assert pooled.dtype == torch.bfloat16
    torch.testing.assert_close(logits, branch.head(pooled.float()), rtol=1e-6, atol=1e-6)


def test_an_image_is_judged_alike_in_any_company():
    branch = make_branch()
    images = torch.rand(4, 1, 64, 64)
    alone = torch.cat([branch(image[None]) for image in images])
    torch.testing.assert_close(branch(images), alone, rtol=1e-4, atol=1e-5)


def test_a_standardised_branch_does_not_see_exposure():
    spec = BranchSpec("resnet18", FINDINGS, 16, 64, standardise=True)
    branch = build_branch(spec, weights=None, seed=0).eval()
    images = torch.rand(3, 1, 64, 64)
    exposure = torch.tensor([0.3, 0.6, 0.9]).view(3, 1, 1, 1)
    torch.testing.assert_close(
        branch(images * exposure + 0.1), branch(images), rtol=1e-3, atol=1e-4
    )
    assert torch.isfinite(branch(torch.full((1, 1, 64, 64), 0.5))).all()


def started(name, start):
    branch, other = make_branch("resnet18", seed=1), make_branch(name, seed=2)
    adopt(branch, other.state_dict(), other.spec.about(), start=start)
    return branch, other


def test_a_local_branch_may_start_as_the_global_one():
    branch, other = started("resnet18", "global")
    images = torch.rand(2, 1, 64, 64)
    assert torch.equal(branch(images), other(images))


@pytest.mark.parametrize(("name", "start"), [("mobilenet_v2", "global"), ("resnet18", "weights")])
def test_a_branch_that_adopts_nothing_stays_as_it_was(name, start):
    branch, _ = started(name, start)
    before = make_branch("resnet18", seed=1)
    images = torch.rand(2, 1, 64, 64)
    assert torch.equal(branch(images), before(images))


def test_a_checkpoint_brings_back_the_same_branch(tmp_path):
    branch = make_branch(seed=3)
    write_checkpoint(branch.state_dict(), branch.spec.about(), tmp_path / "b.safetensors")
    again = restore_branch(*read_checkpoint(tmp_path / "b.safetensors"))
    images = torch.rand(2, 1, 64, 64)
    assert again.spec == branch.spec
    assert torch.equal(again(images), branch(images))


def test_the_same_branch_is_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        branch = make_branch(seed=3)
        write_checkpoint(branch.state_dict(), branch.spec.about(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_building_a_branch_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    make_branch()
    assert torch.equal(torch.rand(3), expected)


def test_a_checkpoint_of_another_kind_of_network_is_refused():
    with pytest.raises(ArtifactError, match="not of a branch"):
        restore_branch({}, {"findings": list(FINDINGS), "metadata": {}})
