"""The zoo: what a backbone costs, and one epoch of it."""

import pytest
import torch
from branches import built_branch, few_kinds, no_initialisation

from pipeline.base.findings import FINDINGS
from pipeline.networks.backbones.torchvision_backbone import TORCHVISION
from pipeline.networks.backbones.torchvision_models import models
from pipeline.networks.backbones.zoo import BACKBONES, CASCADES
from pipeline.params.whole import load_params
from pipeline.training.data.examples import Examples
from pipeline.zoo.describe import describe
from pipeline.zoo.trial_epoch import table, train_zoo
from tests.stages.conftest import REPO

PUBLISHED = {  # torchvision's, of the whole network with 1,000 classes: parameters, GFLOPs at 224
    "resnet18": (11_689_512, 1.81),
    "resnet50": (25_557_032, 4.09),
    "resnext50": (25_028_904, 4.23),
    "resnext101": (88_791_336, 16.41),
    "densenet121": (7_978_856, 2.83),
    "mobilenet_v2": (3_504_872, 0.30),
    "convnext_tiny": (28_589_128, 4.46),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_are_the_published_ones_less_the_classifier(name):
    parameters, giga = PUBLISHED[name]
    with no_initialisation():
        found = describe(name, size=224)
    classifier = (found.channels + 1) * 1000
    norm = 2 * found.channels if name == "convnext_tiny" else 0  # behind the pooling
    head = (found.channels + 1) * len(FINDINGS)
    assert found.parameters == parameters - classifier - norm + head
    assert found.multiply_adds / 1e9 == pytest.approx(giga, abs=0.01)


@pytest.mark.parametrize("name", few_kinds([*BACKBONES, *CASCADES, "mobilenet_v2_capsnet"]))
def test_the_feature_maps_are_as_described(name):
    with no_initialisation():
        found, branch = describe(name, size=96), built_branch(name, size=96)
    with torch.inference_mode():
        maps = branch.feature_map(torch.rand(1, 1, 96, 96))
    assert maps.shape == (1, found.channels, found.cells, found.cells)


@pytest.mark.parametrize("name", sorted(set(BACKBONES) - {"capsnet"}))
def test_torchvision_has_weights_of_imagenet_under_the_name_that_it_is_asked_for(name):
    assert "IMAGENET1K_V1" in models.get_model_weights(TORCHVISION.get(name, name)).__members__


def test_an_epoch_of_each_fills_a_row():
    generator = torch.Generator().manual_seed(0)

    def examples(split, rows=32):
        images = torch.randint(0, 256, (rows, 1, 32, 32), dtype=torch.uint8, generator=generator)
        targets = (torch.rand(rows, 14, generator=generator) < 0.5).float()
        return Examples([f"{split}{n}" for n in range(rows)], split, (images,), targets)

    cfg = load_params(REPO / "tests/tiny.yaml")
    both = {split: examples(split) for split in ("train", "val")}
    head, _, *rows = table(train_zoo(["mobilenet_v2", "capsnet"], both, cfg)).splitlines()
    assert [line.split("`")[1] for line in rows] == ["mobilenet_v2", "capsnet"]
    assert all(line.count("|") == head.count("|") for line in rows)
