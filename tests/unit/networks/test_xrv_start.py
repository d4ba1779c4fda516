"""A branch that starts as a network of torchxrayvision computes what that network computed."""

import copy
import logging

import pytest
import torch
from branches import some_images
from torch import nn
from xrv_networks import CHEX, OUTPUTS, maps_of, published

from pipeline.base.findings import FINDINGS
from pipeline.errors import ParamsError
from pipeline.networks.branch import BranchSpec, adopt, build_branch, restore_branch
from pipeline.networks.checkpoints import read_checkpoint, write_checkpoint
from pipeline.networks.first_layer import shrink_input
from pipeline.networks.pretrained import read_weights
from pipeline.networks.weights import Weights

NAMES = ["densenet121-res224-all", "resnet50-res512-all"]
PRIOR = torch.linspace(-4.0, -1.0, 14)
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
LOOSE = {"rtol": 1e-3, "atol": 1e-3}


def started(name="densenet121-res224-all", *, outputs=OUTPUTS, backbone=None, **options):
    """A branch whose grid stands where torchvision's does."""
    options = {"standardise": False, "centred": False, **options}
    spec = BranchSpec(backbone or name.partition("-")[0], FINDINGS, 32, 64, **options)
    weights = Weights(published(name).state_dict(), None, outputs)
    return build_branch(spec, weights=weights, prior_logits=PRIOR, seed=0).eval()


def theirs_of(name, images):
    """Maps and logits of the network itself.

    In double precision: in single, what a network of random weights makes of a rounding of its
    input is as large as what is compared. Weights are those of single precision there and here.
    """
    return maps_of(copy.deepcopy(published(name)).double(), images.double())


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@torch.inference_mode()
def test_features_are_those_of_the_network_itself(name):
    images = some_images(3)
    theirs = theirs_of(name, images)[0]
    ours = started(name).double().feature_map(images.double())
    assert theirs.shape[2:] == (2, 2)
    assert theirs.std() > 0.1
    torch.testing.assert_close(ours, theirs, **CLOSE)


@torch.inference_mode()
def test_logits_of_our_findings_are_those_of_the_network_itself(name):
    images = some_images(3)
    theirs = theirs_of(name, images)[1]
    expected = theirs[:, [OUTPUTS.index(finding) for finding in FINDINGS]]
    ours = started(name).double()(images.double())
    torch.testing.assert_close(ours, expected, **CLOSE)


@torch.inference_mode()
def test_findings_that_the_network_has_not_learnt_start_at_the_cohort_s_prior(caplog):
    with caplog.at_level(logging.INFO):
        branch = started("densenet121-res224-chex", outputs=CHEX)
    anew = [
        "Infiltration",
        "Mass",
        "Nodule",
        "Emphysema",
        "Fibrosis",
        "Pleural_Thickening",
        "Hernia",
    ]
    places = [FINDINGS.index(finding) for finding in anew]
    assert torch.equal(branch.head.bias[places], PRIOR[places])
    others = [place for place in range(14) if place not in places]
    classifier = published("densenet121-res224-chex").classifier
    rows = [CHEX.index(FINDINGS[place]) for place in others]
    assert torch.equal(branch.head.weight[others], classifier.weight[rows])
    assert torch.equal(branch.head.bias[others], classifier.bias[rows])
    assert torch.equal(branch.prior, PRIOR)
    assert f"takes over: {', '.join(FINDINGS[place] for place in others)}\n" in caplog.text
    assert f"starts anew, from the cohort, for: {', '.join(anew)}\n" in caplog.text


@torch.inference_mode()
def test_in_training_features_are_those_of_the_network_itself(name):
    """By the statistics of the batch, and of those that they leave behind."""
    images = some_images(8).double()
    network = copy.deepcopy(published(name)).double().train()
    branch = started(name).double().train()
    for _ in range(2):
        theirs = maps_of(network, images)[0]
        torch.testing.assert_close(branch.feature_map(images), theirs, **LOOSE)


def test_steps_of_an_optimiser_mean_as_much_as_before():
    """The first layer is none of those that hardly move: its weights have kept their size."""
    first = next(one for one in started().features.modules() if isinstance(one, nn.Conv2d))
    torch.testing.assert_close(
        first.weight.sum(1), published(NAMES[0]).features.conv0.weight[:, 0]
    )


@torch.inference_mode()
def test_standardised_images_enter_as_if_exposed_evenly(caplog):
    images = some_images(3)
    images = (images - images.mean((2, 3), keepdim=True)) / images.std(
        (2, 3), keepdim=True, correction=0
    )
    theirs = maps_of(published(NAMES[0]), 0.5 + images / 4)[0]
    with caplog.at_level(logging.INFO):
        branch = started(standardise=True)
    torch.testing.assert_close(branch.feature_map(some_images(3)), theirs, **LOOSE)
    assert "as if it had a mean of 0.5 and a spread of 0.25" in caplog.text
    assert "grey levels enter as they did" not in caplog.text


def test_all_that_was_done_is_said_and_nothing_is_doubted(name, caplog):
    with caplog.at_level(logging.INFO):
        started(name)
    assert "first layer: 1 input channels there, 3 here" in caplog.text
    assert "grey levels enter as they did there: its features are what they were\n" in caplog.text
    assert f"the head takes over: {', '.join(FINDINGS)}" in caplog.text
    assert "another classifier" not in caplog.text
    assert {record.levelname for record in caplog.records} == {"INFO"}


@pytest.mark.parametrize(
    "options",
    [{"backbone": "densenet121_capsnet"}, {"pooling": "lse"}, {"pyramid": 16}],
    ids=["cascade", "pooling", "pyramid"],
)
@torch.inference_mode()
def test_another_head_starts_anew_on_the_same_features(options, caplog):
    with caplog.at_level(logging.INFO):
        branch = started(**options)
    assert "the head starts anew" in caplog.text
    features = getattr(branch.features, "bottom_up", branch.features)
    images = some_images(3)
    theirs = maps_of(published(NAMES[0]), images)[0]
    found = features(branch.normalised(images))
    torch.testing.assert_close(torch.relu(found), theirs, **LOOSE)


def test_that_the_grid_stands_elsewhere_is_said(caplog):
    with caplog.at_level(logging.INFO):
        started(centred=True)
    assert "its features are what they were, of a grid in the middle of the image\n" in caplog.text


def test_weights_of_another_network_are_refused_and_nothing_is_loaded():
    with pytest.raises(ParamsError, match=r"weights do not fit resnet18: 0 of 120 tensors match"):
        started(backbone="resnet18")


def test_what_is_stored_computes_the_same_wherever_it_is_the_start(tmp_path):
    first, path = started(), tmp_path / "b.safetensors"
    write_checkpoint(first.state_dict(), first.spec.about(), path)
    state, about = read_checkpoint(path)
    next_run = build_branch(first.spec, weights=read_weights(str(path), first.spec), seed=9)
    local = build_branch(first.spec, weights=None, seed=9)
    adopt(local, state, about, start="global")
    images = some_images()
    for branch in (restore_branch(state, about), next_run.eval(), local.eval()):
        assert torch.equal(branch(images), first(images))


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)],
        [nn.Conv2d(1, 4, 3, bias=False), nn.Conv2d(4, 4, 3)],
        [nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, bias=False)],
        [nn.Linear(1, 1)],
    ],
    ids=["bias", "no norm", "norm first", "no convolution"],
)
def test_a_scale_is_taken_up_behind_a_convolution_without_a_bias_alone(layers):
    with pytest.raises(ValueError, match="a convolution without a bias, then a batch norm"):
        shrink_input(nn.Sequential(*layers), 512.0)
