"""Heatmaps: closed forms against gradients, gradients against hand-written ones, and edges."""

import copy
from functools import lru_cache

import numpy as np
import pytest
import torch
from branches import ALL, CAPSULES, LINEAR, each_kind, few_kinds, make_branch, of_each, some_images
from torch import nn

from pipeline.attention import formulas
from pipeline.attention.drawing import cell_centre
from pipeline.attention.heatmap import HEATMAPS
from pipeline.attention.look import look
from pipeline.attention.score_cam import _masks
from pipeline.base.findings import FINDINGS
from pipeline.networks.backbones.backbone import Backbone
from pipeline.networks.backbones.receptive_field import measure_grid
from pipeline.networks.branch import Branch, BranchSpec
from pipeline.networks.layers import Layer, find_layer
from pipeline.networks.readouts.readout import GlobalAverage

BY_GRADIENT = {
    "cam": formulas.hirescam,
    "gradcam": formulas.gradcam,
    "gradcam_pp": formulas.gradcam_pp,
    "xgradcam": formulas.xgradcam,
    "layercam": formulas.layercam,
}
INNER = ["resnet18", "densenet121", "mobilenet_v2", "convnext_tiny", "timm:resnet18"]


def looked_at(branch, images, cells="last", **options):
    return look(branch, images, find_layer(branch, cells), **options)


def toy(*, seed=0, channels=4, symmetric=False, scale=1.0):
    """One convolution that keeps the size, so that maps are as large as images."""
    torch.manual_seed(seed)
    conv = nn.Conv2d(1, channels, 3, padding=1)
    if symmetric:
        conv.weight.data = (conv.weight.data + conv.weight.data.flip(-1)) / 2
    features = nn.Sequential(conv)
    backbone = Backbone(features, features, (conv,), channels, (), mean=(0.0,), std=(1.0,))
    _, grid = measure_grid(features, torch.zeros(1, 1, 8, 8))
    head = nn.Linear(channels, len(FINDINGS))
    head.weight.data *= scale
    spec = BranchSpec("toy", FINDINGS, 8, 8, standardise=False)
    return Branch(backbone, GlobalAverage(), head, grid, spec).eval()


@lru_cache(maxsize=2)
def look_of_all(name, cells="last", *, first=0, end=2):
    """Some images, seen at once; its gradients are those of every method."""
    return looked_at(make_branch(name), some_images()[first:end], cells)


@lru_cache(maxsize=1)
def lively(name):
    """With batch statistics of images: without, the logits of some hardly move at all."""
    branch = make_branch(name).train()
    for layer in branch.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the mean over all batches
    with torch.no_grad():
        for seed in range(2):
            branch.feature_map(some_images(8, seed=seed))
    return branch.eval().double()


def assert_alike(found, expected):
    """Beside the greatest value: a map's own scale is of no account."""
    peak = expected.abs().max()
    assert peak > 1e-6
    torch.testing.assert_close(found / peak, expected / peak)


@of_each(few_kinds(LINEAR))
def test_closed_forms_are_the_gradient_s_formulas(name):
    branch, images = lively(name), some_images().double()
    closed, opened = looked_at(branch, images), looked_at(branch, images, gradients=True)
    assert closed.weight is not None
    assert not closed.logits.requires_grad
    for method, formula in BY_GRADIENT.items():
        expected = torch.stack([formula(opened.maps, one) for one in opened.gradients], dim=1)
        assert_alike(HEATMAPS[method](closed), expected.relu().detach())


@of_each(few_kinds(LINEAR))
def test_behind_the_last_layer_grad_cam_and_xgrad_cam_are_cam(name):
    branch, images = lively(name), some_images().double()
    opened = looked_at(branch, images, gradients=True)
    cam = formulas.class_activation(opened.maps, branch.head.weight)
    for finding, gradient in enumerate(opened.gradients):
        for formula in (formulas.gradcam, formulas.xgradcam, formulas.hirescam):
            assert_alike(formula(opened.maps, gradient), cam[:, finding])


@of_each(few_kinds(LINEAR))
def test_the_mean_of_cam_and_the_bias_are_the_logit(name):
    branch, images = lively(name), some_images().double()
    looked = looked_at(branch, images)
    cam = formulas.class_activation(looked.maps, branch.head.weight)
    torch.testing.assert_close(looked.logits, branch(images))
    assert_alike(cam.mean(dim=(2, 3)), looked.logits - branch.head.bias)


@of_each(each_kind(CAPSULES))
def test_the_map_of_a_capsule_is_its_gradient_times_the_maps(name):
    branch, images = copy.deepcopy(lively(name)).float(), some_images(1)
    looked = looked_at(branch, images)
    assert looked.weight is None
    maps = branch.feature_map(images).detach().requires_grad_()
    logits = branch.head(branch.readout(maps))[0]
    cells = maps.shape[2] * maps.shape[3]
    for finding in (0, 7, 13):
        (gradient,) = torch.autograd.grad(logits[finding], maps, retain_graph=True)
        expected = ((gradient * maps).sum(dim=1)[0] * cells).relu()
        if expected.max() > 0:
            peak = expected.max()
            found = HEATMAPS["cam"](looked)[0, finding]
            torch.testing.assert_close(found / peak, expected / peak, rtol=1e-4, atol=1e-4)


def test_the_gradient_of_an_inner_layer_is_that_of_the_layers_behind_it():
    branch, images = make_branch("resnet18").double(), some_images().double()
    looked = looked_at(branch, images, 16)
    maps = branch.features[:4](branch.normalised(images)).detach().requires_grad_()
    logits = branch.head(torch.relu(branch.features[4](maps)).mean(dim=(2, 3)))
    torch.testing.assert_close(looked.maps, maps)
    torch.testing.assert_close(looked.logits, logits)
    for finding in (0, 13):
        (expected,) = torch.autograd.grad(logits[:, finding].sum(), maps, retain_graph=True)
        torch.testing.assert_close(looked.gradients[finding], expected)


@of_each(INNER)
def test_of_an_inner_layer_the_grid_is_finer_and_logits_are_the_same(name):
    branch, images = make_branch(name), some_images(1)
    last, inner = looked_at(branch, images), looked_at(branch, images, 16)
    assert last.maps.shape[2:] == (2, 2)
    assert inner.maps.shape[2:] == (4, 4)
    torch.testing.assert_close(inner.logits.detach(), last.logits, rtol=1e-4, atol=1e-5)
    for method in HEATMAPS:
        found = HEATMAPS[method](inner)
        assert found.shape[2:] == (4, 4)
        assert torch.isfinite(found).all()


@of_each(["resnet18", *each_kind(CAPSULES)])
@pytest.mark.parametrize("method", HEATMAPS)
def test_every_heatmap_is_one_map_per_finding_or_one_for_all(method, name):
    looked = look_of_all(name)
    maps = HEATMAPS[method](looked)
    height, width = looked.maps.shape[2:]
    assert maps.shape in {(2, 14, height, width), (2, 1, height, width)}
    assert maps.min() >= 0
    assert torch.isfinite(maps).all()
    assert not maps.requires_grad


@pytest.mark.parametrize("method", HEATMAPS)
@pytest.mark.parametrize(("name", "cells"), [("resnet18", "last"), ("resnet18", 16)])
def test_an_image_s_map_does_not_depend_on_its_batch(method, name, cells):
    together = HEATMAPS[method](look_of_all(name, cells))
    alone = HEATMAPS[method](look_of_all(name, cells, first=1))
    torch.testing.assert_close(together[1:2], alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", HEATMAPS)
def test_a_mirrored_image_has_the_mirrored_map(method):
    branch, images = toy(symmetric=True), some_images(2, size=8)
    inner = Layer(branch.features[0], (4, 8, 8), branch.grid)  # in front of the ReLU
    for layer in (find_layer(branch, "last"), inner):
        there, back = (
            HEATMAPS[method](look(branch, one, layer)) for one in (images, images.flip(-1))
        )
        assert there.max() > 0
        torch.testing.assert_close(back, there.flip(-1))


@pytest.mark.parametrize("method", HEATMAPS)
def test_what_the_network_does_not_see_is_an_empty_map_and_no_nan(method):
    branch = toy()
    for value in branch.features.parameters():
        value.data.zero_()
    images = some_images(2, size=8)
    assert (HEATMAPS[method](looked_at(branch, images)) == 0).all()
    layer = Layer(branch.features[0], (4, 8, 8), branch.grid)
    assert (HEATMAPS[method](look(branch, images, layer)) == 0).all()


@pytest.mark.parametrize("formula", BY_GRADIENT.values())
def test_one_active_cell_is_one_active_cell_of_the_map(formula):
    maps, gradient = torch.zeros(1, 3, 4, 5), torch.full((1, 3, 4, 5), 0.5)
    maps[0, 1, 2, 3] = 2.0
    (found,) = formula(maps, gradient)
    assert found[2, 3] > 0
    assert (found != 0).sum() == 1


@pytest.mark.parametrize("formula", BY_GRADIENT.values())
def test_constant_maps_and_gradients_are_a_constant_map(formula):
    (found,) = formula(torch.full((1, 3, 4, 5), 2.0), torch.full((1, 3, 4, 5), 1e-9))
    assert found.unique().numel() == 1
    assert torch.isfinite(found).all()


def test_grad_cam_pp_by_hand():
    """Two channels of two cells; g = (1, 3) / (-1, 2), A = (1, 2) / (4, 0)."""
    maps = torch.tensor([[[[1.0, 2.0]], [[4.0, 0.0]]]])
    gradient = torch.tensor([[[[1.0, 3.0]], [[-1.0, 2.0]]]])
    one = 1 / (2 + 3 * 1) + 3 / (2 + 3 * 3)
    other = 2 / (2 + 4 * 2)
    expected = torch.tensor([[[one * 1 + other * 4, one * 2]]])
    torch.testing.assert_close(formulas.gradcam_pp(maps, gradient), expected)


def test_score_cam_by_a_loop():
    branch, images = toy(seed=1).double(), some_images(2, size=8).double()
    maps = branch.feature_map(images)
    found = HEATMAPS["scorecam"](looked_at(branch, images))
    for image, its_maps, its_found in zip(images, maps, found, strict=True):
        scores = []
        for one in its_maps:
            spread = one.max() - one.min()
            mask = (one - one.min()) / spread if spread > 0 else torch.zeros_like(one)
            scores.append(
                branch.head(branch.maps_of(image * mask[None, None]).mean(dim=(2, 3)))[0]
            )
        for finding in range(len(FINDINGS)):
            alpha = torch.stack([score[finding] for score in scores]).softmax(dim=0)
            expected = sum(a * one for a, one in zip(alpha, its_maps, strict=True)).relu()
            torch.testing.assert_close(its_found[finding], expected)


def test_weights_can_be_trained_again_after_a_look():
    branch = make_branch("resnet18")
    looked_at(branch, some_images())
    assert all(weight.requires_grad for weight in branch.parameters())


@of_each(each_kind(ALL))
def test_the_last_layer_is_what_the_readout_reads(name):
    branch = make_branch(name)
    with torch.inference_mode():
        maps = branch.feature_map(some_images(1))
    layer = find_layer(branch, "last")
    assert layer.module is None
    assert layer.shape == tuple(maps.shape[1:])


def test_a_layer_is_found_by_the_size_of_its_cells():
    branch = make_branch("resnet18")
    assert [find_layer(branch, cells).shape for cells in (16, 8, 4)] == [
        (256, 4, 4), (128, 8, 8), (64, 16, 16),
    ]  # fmt: skip
    assert find_layer(make_branch("resnet18", output_stride=16), 16).module is None


def test_where_no_cells_are_so_small_the_finest_are_taken_and_told(caplog):
    branch = make_branch("capsnet", size=224)
    assert find_layer(branch, 8).module is None
    assert (
        "no stage to show with cells of at most 8 of 224 pixels; its finest have 11.2"
        in caplog.text
    )


def test_xgrad_cam_of_maps_of_both_signs_stays_within_reach():
    """Were they to cancel in its denominator, one map in thousands would be anything."""
    generator = torch.Generator().manual_seed(0)
    maps, gradient = torch.randn(2, 512, 64, 4, 4, generator=generator)
    usual = formulas.gradcam(maps, gradient).abs().amax()
    assert formulas.xgradcam(maps, gradient).abs().amax() < 10 * usual


def test_score_cam_masks_an_image_where_the_cells_look():
    branch = make_branch("resnet18", size=128)
    grid = find_layer(branch, 16).grid
    maps = torch.zeros(2, 8, 8)
    maps[0, 2, 5] = maps[1, 4, 4] = 1
    y, x = (np.indices((128, 128)) + 0.5) / 128
    for mask, cell in zip(
        _masks(maps, grid, side=128)[:, 0].numpy(), [(2, 5), (4, 4)], strict=True
    ):
        middle = [(mask * x).sum() / mask.sum(), (mask * y).sum() / mask.sum()]
        assert middle == pytest.approx(cell_centre(np.array(cell), grid), abs=1e-3)
