"""Files of a published DenseNet as people publish them; all hold the same tensors."""

import re
from collections import OrderedDict
from functools import cache

import numpy as np
import torch
from torchvision.models import DenseNet

from pipeline.networks.backbones.backbone import Backbone


def small_densenet():
    """A backbone of torchvision's own class and names, a thousandth of a DenseNet-121."""
    network = DenseNet(growth_rate=4, block_config=(2, 1, 1, 1), num_init_features=8, bn_size=2)
    return Backbone(network, network.features, (), 1, ("classifier.",))


@cache
def plain():
    """As torchvision names it, with random weights and statistics that are not 0 and 1."""
    generator = torch.Generator().manual_seed(5)
    return {
        key: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value
        for key, value in small_densenet().network.state_dict().items()
    }


def old(state):
    """As PyTorch 0.3 named DenseNet's layers."""
    layer = re.compile(r"(denselayer\d\.)(norm|conv)([12])")
    return {layer.sub(r"\1\2.\3", key): value for key, value in state.items()}


def grey(state):
    """Of a network for one channel, whose response to a grey image is the same."""
    first = state["features.conv0.weight"].sum(dim=1, keepdim=True)
    return state | {"features.conv0.weight": first}


def behind(prefix):
    return lambda state: {f"{prefix}{key}": value for key, value in state.items()}


def chexnet(state):
    """A `nn.Sequential` of a linear layer and a sigmoid is its classifier."""
    return behind("module.densenet121.")(
        {key.replace("classifier.", "classifier.0."): value for key, value in state.items()}
    )


def compiled_inside(state):
    return {key.replace("features.", "features._orig_mod."): v for key, v in state.items()}


NAMES = {"today": dict, "old": old}

CHANNELS = {"three": dict, "one": grey}

WRAPPERS = {
    "none": dict,
    "chexnet": chexnet,
    "lightning": lambda s: behind("model.")(s) | {"criterion.pos_weight": torch.ones(14)},
    "compiled": behind("_orig_mod."),
    "compiled_inside": compiled_inside,
    "compiled_lightning": behind("model._orig_mod."),
    "distributed_compiled": behind("module._orig_mod."),
    "torchxrayvision": lambda s: s | {"op_threshs": torch.full((18,), torch.nan)},
    "counted": lambda s: s | {"total_ops": torch.zeros(1), "features.total_params": torch.ones(1)},
}

OPTIMIZER = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}

NESTINGS = {
    "none": dict,
    "state_dict": lambda s: {"epoch": 3, "state_dict": OrderedDict(s), "optimizer": OPTIMIZER},
    "model": lambda s: {"model": s, "auc": np.float64(0.8), "per_finding": np.ones(14)},
    "model_state_dict": lambda s: {"model_state_dict": s, "best_loss": torch.tensor(0.1)},
    "two_deep": lambda s: {"checkpoint": {"net": s, "arch": "densenet121"}, "seed": np.int64(1)},
}
