"""Networks as torchxrayvision publishes them, and a stand-in for the package."""

import sys
import warnings
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn
from torchvision import models

OUTPUTS = (
    "Atelectasis", "Consolidation", "Infiltration", "Pneumothorax", "Edema", "Emphysema",
    "Fibrosis", "Effusion", "Pneumonia", "Pleural_Thickening", "Cardiomegaly", "Nodule", "Mass",
    "Hernia", "Lung Lesion", "Fracture", "Lung Opacity", "Enlarged Cardiomediastinum",
)  # fmt: skip
CHEX = tuple(
    "" if name in {"Infiltration", "Emphysema", "Fibrosis", "Pleural_Thickening", "Nodule", "Mass",
                   "Hernia"} else name
    for name in OUTPUTS
)  # fmt: skip
"""Of a cohort in which not all of these are labelled."""

NETWORKS = {
    "densenet121-res224-all": OUTPUTS,
    "densenet121-res224-chex": CHEX,
    "resnet50-res512-all": OUTPUTS,
}


def at_their_scale(images):
    """Grey in [0, 1] as torchxrayvision's `normalize` scales it."""
    return (2 * images - 1.0) * 1024


@cache
def published(name):
    """A network of torchvision's own architecture for one channel, with 18 outputs.

    Weights are random; statistics are those of noise, with a channel that nothing excites.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = getattr(models, name.partition("-")[0])(weights=None, num_classes=18)
        _one_channel(network)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = None  # the plain mean over batches
                nn.init.uniform_(layer.weight, 0.5, 1.0)
                nn.init.uniform_(layer.bias, -0.5, 0.5)
        with torch.no_grad():
            network.train()(at_their_scale(torch.rand(4, 1, 64, 64)))
    network.register_buffer("op_threshs", torch.full((18,), 0.1))
    network.pathologies = list(NETWORKS[name])
    network.input_resolution = int(name.partition("-res")[2].partition("-")[0])
    return network.eval()


def _one_channel(network):
    parent, name = (
        (network.features, "conv0") if hasattr(network, "features") else (network, "conv1")
    )
    layer = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    layer.weight.data[0] = 0.0
    setattr(parent, name, layer)


def maps_of(network, images):
    """Its feature maps of grey images in [0, 1], behind a ReLU, and its logits."""
    found = []
    hook = getattr(network, "features", getattr(network, "layer4", None)).register_forward_hook(
        lambda _layer, _inputs, maps: found.append(maps)
    )
    logits = network(at_their_scale(images))
    hook.remove()
    return torch.relu(found[0]), logits


class Package:
    """A stand-in with the names that the package has, whose downloads are a file's bytes."""

    def __init__(self, cache_dir, content):
        """`content` is what a download gives, or the error that it ends in."""
        self.content = content
        self.downloads = 0
        urls = {name: {"weights_url": f"https://x/{name}-best.pt"} for name in NETWORKS}
        self.models = SimpleNamespace(
            model_urls=urls, get_weights=self.get_weights, get_model=self.get_model
        )
        self.utils = SimpleNamespace(get_cache_dir=lambda: str(cache_dir))
        self.cache_dir = cache_dir

    def get_weights(self, name, cache_dir=None):
        path = Path(cache_dir or self.cache_dir, f"{name}-best.pt")
        if not path.is_file():
            sys.stdout.write("Downloading weights...\n")
            self.downloads += 1
            path.write_bytes(b"")  # as the package does, before it asks for anything
            if isinstance(self.content, Exception):
                raise self.content
            path.write_bytes(self.content)
        return str(path)

    def get_model(self, name, cache_dir=None):
        warnings.filterwarnings("ignore")
        network = torch.load(self.get_weights(name, cache_dir), weights_only=False)
        if name.startswith("densenet"):
            return network
        wrapper = nn.Module()
        wrapper.model = network
        wrapper.pathologies, wrapper.input_resolution = network.pathologies, 512
        return wrapper
