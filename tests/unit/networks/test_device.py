"""Where networks run, and that a GPU which is passed over is named."""

import logging

import pytest
import torch

from pipeline.networks import device
from pipeline.networks.device import default_device, why_cpu


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
