"""ImageNet's weights that a package of the registry carries."""

from pathlib import Path

import pytest
import torch

from pipeline.errors import ArtifactError
from pipeline.networks.backbones.timm_backbone import timm_state
from pipeline.networks.branch import BranchSpec, build_branch
from pipeline.networks.carried_weights import CARRIED, Carried, carried_weights, is_carried
from pipeline.networks.pretrained import read_weights
from pipeline.networks.weight_files import read_state

REPO = Path(__file__).parents[3]
LITE = "tf_efficientnet_lite0"
SPEC = BranchSpec(f"timm:{LITE}", ("a", "b"), 32, 64, standardise=False)


def test_imagenet_is_the_package_s_file_where_it_has_one():
    found = read_weights("imagenet", SPEC)
    assert found.state.keys() == timm_state(LITE).keys()
    branch = build_branch(SPEC, weights=found, seed=0)
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    random = build_branch(SPEC, weights=None, seed=0)
    assert not torch.allclose(branch.eval().pooled(images), random.eval().pooled(images))


def test_each_tensor_is_where_it_was_learnt():
    """What running statistics and BatchNorm's weights are like tells layers apart."""
    state = carried_weights(LITE, timm_state(LITE))
    variances = [value for name, value in state.items() if name.endswith("running_var")]
    assert all((one >= 0).all() and one.max() > 0 for one in variances)
    # The first layer's filters of ImageNet are smooth; those of no other layer have 3 channels.
    first = state["conv_stem.weight"]
    across = (first[..., 1:] - first[..., :-1]).abs().mean() / first.abs().mean()
    assert first.shape == (32, 3, 3, 3)
    assert across < 1.2  # 1.4 of random numbers


def test_they_are_those_that_the_same_publisher_has_elsewhere():
    elsewhere = REPO.parent / "shared/weights/efficientnet_lite0_imagenet.safetensors"
    if not elsewhere.is_file():
        pytest.skip("no copy from elsewhere here")
    theirs, _ = read_state(elsewhere, digest="")
    ours = carried_weights(LITE, timm_state(LITE))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_other_tensors_are_refused():
    like = dict(reversed(timm_state(LITE).items()))
    with pytest.raises(ArtifactError, match=r"not those of timm's tf_efficientnet_lite0.*install"):
        carried_weights(LITE, like)


def test_another_file_is_refused(monkeypatch):
    other = CARRIED[LITE]._replace(digest="0" * 8)
    monkeypatch.setitem(CARRIED, LITE, other)
    with pytest.raises(ArtifactError, match="another file"):
        read_weights("imagenet", SPEC)


def test_without_the_package_timm_s_own_file_is_asked_for(monkeypatch):
    monkeypatch.setitem(CARRIED, LITE, Carried("no_such_package", "w.pth", ""))
    assert not is_carried(LITE)
    assert not is_carried("resnet18")
    asked = []
    monkeypatch.setattr(
        "pipeline.networks.pretrained.timm_weights",
        lambda name, input_size: asked.append(name) or {},
    )
    read_weights("imagenet", SPEC)
    assert asked == [LITE]
