"""Where networks run, and that a GPU which is passed over is named."""

import copy
import logging

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from pipeline.networks import device
from pipeline.networks.device import autocast, default_device, settle, why_cpu


@pytest.mark.parametrize(("mps", "said"), [(True, True), (False, False)])
def test_an_apple_gpu_is_not_used_and_this_is_said_once(monkeypatch, caplog, mps, said):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    device._tell_once.cache_clear()
    with caplog.at_level(logging.INFO):
        found = [default_device() for _ in range(3)]
    device._tell_once.cache_clear()
    assert found == [torch.device("cpu")] * 3
    assert caplog.text.count("an Apple GPU (MPS) is there and is not used") == said
    assert len(caplog.records) == said


def test_the_reason_says_what_was_not_checked():
    assert why_cpu(mps=lambda: False) is None
    assert "no result of this project has been checked on one" in why_cpu(mps=lambda: True)


@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
def test_on_a_cpu_a_depthwise_convolution_computes_in_fp32_beside_what_is_autocast(kind):
    torch.manual_seed(0)
    layer = kind(8, 8, 5, stride=2, groups=8).to(memory_format=torch.channels_last)
    plain, maps = copy.deepcopy(layer), torch.rand(2, 8, 12, 12)
    settle(layer)
    settle(layer)  # twice is as once
    twin = copy.deepcopy(layer)
    assert torch.equal(layer(maps), plain(maps))
    with autocast(torch.device("cpu"), "bf16"):
        found, emulated = layer(maps), plain(maps)
    assert found.dtype == emulated.dtype == torch.bfloat16
    assert torch.equal(found, plain(maps).bfloat16())
    assert not torch.equal(found, emulated)
    with torch.no_grad():
        twin.weight.zero_()
        twin.bias.zero_()
    assert not twin(maps).any()
    assert layer(maps).any()
    assert layer.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize("groups", [1, 2])
def test_other_convolutions_are_left_to_autocast(groups):
    layer = nn.Conv2d(8, 8, 3, groups=groups)
    settle(layer)
    assert "forward" not in vars(layer)
