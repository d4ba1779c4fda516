"""The package pytorch-grad-cam says the same where it is right, and where it does not is known."""

import numpy as np
import pytest
import torch
from branches import make_branch, some_images
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM, XGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from test_heatmap import toy
from torch import nn

from pipeline.attention import formulas
from pipeline.attention.heatmap import HEATMAPS
from pipeline.attention.look import look
from pipeline.networks.layers import Layer, find_layer

THEIRS = {"cam": HiResCAM, "gradcam": GradCAM, "xgradcam": XGradCAM, "layercam": LayerCAM}


class Opened(nn.Module):
    """A branch that lets the package hook the very maps that are pooled, behind their ReLU."""

    def __init__(self, branch):
        super().__init__()
        self.branch, self.maps = branch, nn.Identity()

    def forward(self, images):
        return self.branch.logits(self.branch.readout(self.maps(self.branch.feature_map(images))))


def theirs(kind, branch, images, module, finding):
    """The package's map before it is stretched to [0, 1] and resized, with the negative cut."""
    targets = [ClassifierOutputTarget(finding)] * len(images)
    with kind(model=branch, target_layers=[module]) as method:
        method(images, targets)
        seen = method.activations_and_grads
        gradients = [one.numpy() for one in seen.gradients] or [None]
        raw = method.get_cam_image(
            images, module, targets, seen.activations[0].numpy(), gradients[0], False
        )
    return torch.from_numpy(np.maximum(raw, 0))


@pytest.mark.parametrize("cells", ["last", 16])
@pytest.mark.parametrize("method", THEIRS)
def test_a_resnet_s_maps_are_those_of_the_package(method, cells):
    branch, images = make_branch("resnet18", seed=5), some_images()
    layer = find_layer(branch, cells)
    opened = Opened(branch)
    for finding in (1, 9):
        found = HEATMAPS[method](look(branch, images, layer))[:, finding]
        expected = theirs(THEIRS[method], opened, images, layer.module or opened.maps, finding)
        in_logits = expected * found.shape[-1] * found.shape[-2]
        torch.testing.assert_close(found, in_logits, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_a_gradient_in_front_of_the_last_relu_is_another_one(name):
    """Where one hooks decides what Grad-CAM is: the package's users hook `features`.

    There the gradient of cells that the ReLU cuts is nought, and a DenseNet's maps have values
    that the network never pools.
    """
    branch, images = make_branch(name, seed=5), some_images()
    before = branch.features(branch.normalised(images)).detach()
    gradient = (branch.head.weight[3] / 4).view(1, -1, 1, 1) * (before > 0)
    expected = formulas.gradcam(before, gradient.detach()).relu()
    found = theirs(GradCAM, branch, images, branch.blocks[-1], 3) * 4
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
    mine = HEATMAPS["gradcam"](look(branch, images, find_layer(branch, "last")))[:, 3]
    assert (found - mine).abs().max() > 0.1 * mine.max()


def test_grad_cam_pp_is_the_package_s_where_its_eps_does_not_matter():
    branch, images = make_branch("resnet18", seed=5), some_images()
    branch.head.weight.data *= 1e4
    found = HEATMAPS["gradcam_pp"](look(branch, images, find_layer(branch, "last")))[:, 3]
    opened = Opened(branch)
    expected = theirs(GradCAMPlusPlus, opened, images, opened.maps, 3)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.max()))


def test_at_the_scale_of_a_network_the_package_s_eps_decides_its_grad_cam_pp():
    """Its eps of 1e-6 stands beside `2 g^2`: at 7 x 7 cells and weights of .02, about 3e-7."""
    branch, images = make_branch("resnet18", seed=5, size=224), some_images(1, size=224)
    layer = find_layer(branch, "last")
    found = HEATMAPS["gradcam_pp"](look(branch, images, layer))[0, 3]
    exact = look(branch.double(), images.double(), layer, gradients=True)
    rising = exact.gradients[3].relu()
    scale = rising**2 / (2 * rising**2 + exact.maps.sum(dim=(2, 3), keepdim=True) * rising**3)
    alpha = (scale.nan_to_num() * rising).sum(dim=(2, 3))
    by_the_paper = (alpha[0, :, None, None] * exact.maps[0]).sum(dim=0).detach().float()
    torch.testing.assert_close(found, by_the_paper, rtol=1e-3, atol=1e-6)
    opened = Opened(branch.float())
    package = theirs(GradCAMPlusPlus, opened, images, opened.maps, 3)[0]
    assert package.max() < 0.7 * by_the_paper.max()


def test_score_cam_is_the_package_s_where_maps_need_no_resizing():
    """Elsewhere it resizes masks corner to corner, beside where the cells look."""
    branch, images = toy(seed=2), some_images(2, size=8)
    module = branch.features[-1]
    layer = Layer(module, (4, 8, 8), branch.grid)
    found = HEATMAPS["scorecam"](look(branch, images, layer))[:, 3]
    expected = theirs(ScoreCAM, branch, images, module, 3)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
