"""Published networks as people publish them: what fits is loaded, and what was done is said."""

import argparse
import itertools
import logging
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from published_files import (
    CHANNELS,
    NAMES,
    NESTINGS,
    OPTIMIZER,
    WRAPPERS,
    behind,
    chexnet,
    grey,
    old,
    plain,
    small_densenet,
)
from torch import nn

from pipeline.errors import ArtifactError, ParamsError
from pipeline.networks.backbones.zoo import build_backbone
from pipeline.networks.first_layer import first_layer, fit_channels
from pipeline.networks.weight_files import read_state
from pipeline.networks.weights import load_published

FIRST = "features.conv0.weight"

WAYS = list(itertools.product(NAMES, WRAPPERS, NESTINGS, CHANNELS))


@pytest.fixture(scope="module")
def backbone():
    return small_densenet()


def test_the_small_network_s_names_are_those_of_densenet121():
    real = build_backbone("densenet121", output_stride=32, input_size=64).network.state_dict()
    assert plain().keys() <= real.keys()


def loaded_from(content, backbone, path):
    """The network's state after loading a file with `content`."""
    torch.save(content, path)
    for value in backbone.network.state_dict().values():
        value.zero_()
    load_published(backbone, read_state(path, digest="")[0], name="densenet121")
    return backbone.network.state_dict()


@pytest.mark.parametrize(("names", "wrapper", "nesting", "channels"), WAYS)
def test_however_it_is_published_the_same_tensors_arrive(
    tmp_path, backbone, names, wrapper, nesting, channels
):
    content = NESTINGS[nesting](WRAPPERS[wrapper](NAMES[names](CHANNELS[channels](plain()))))
    found = loaded_from(content, backbone, tmp_path / "w.pth")
    for key, value in plain().items():
        if not key.startswith("classifier."):
            given = value if channels == "three" else found[key]  # the first layer: see below
            assert torch.equal(found[key], given if key == FIRST else value), key
    torch.testing.assert_close(found[FIRST].sum(1), plain()[FIRST].sum(1))


@pytest.mark.parametrize(("theirs", "ours"), [(1, 3), (3, 1), (4, 1), (1, 2)])
def test_a_grey_image_gives_what_it_gave(theirs, ours):
    images = torch.rand(2, 1, 16, 16)
    there, here = (nn.Conv2d(channels, 8, 5, bias=False) for channels in (theirs, ours))
    with torch.no_grad():
        here.weight.copy_(fit_channels(there.weight, ours))
    torch.testing.assert_close(
        here(images.expand(-1, ours, -1, -1)), there(images.expand(-1, theirs, -1, -1))
    )


def test_a_grey_network_s_features_are_kept_whole(tmp_path, backbone):
    """Against the network of one channel itself, not against its weights."""
    loaded_from(grey(plain()), backbone, tmp_path / "w.pth")
    network = backbone.network.features.eval()
    images = torch.rand(1, 1, 64, 64)
    ours = network(images.expand(-1, 3, -1, -1))
    alone = nn.Conv2d(1, 8, 7, stride=2, padding=3, bias=False)
    with torch.no_grad():
        alone.weight.copy_(grey(plain())[FIRST])
    before = network.conv0
    network.conv0 = alone
    theirs = network(images)
    network.conv0 = before
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_layers_that_take_no_grey_are_not_mixed():
    four, three = torch.ones(8, 4, 3, 3), torch.ones(8, 3, 3, 3)
    assert fit_channels(four, 3) is four
    assert fit_channels(three, 3) is three


def test_a_network_without_convolutions_has_no_first_layer():
    assert first_layer(nn.Sequential(nn.Linear(2, 2))) is None
    assert first_layer(nn.Sequential(nn.ReLU(), nn.Conv2d(1, 1, 1))) == "1.weight"


def test_all_that_was_done_is_said(tmp_path, backbone, caplog):
    content = {
        "state_dict": chexnet(old(grey(plain()))) | {"op_threshs": torch.zeros(18)},
        "epoch": 3,
        "auc": np.float64(0.8),
    }
    with caplog.at_level(logging.INFO):
        loaded_from(content, backbone, tmp_path / "w.pth")
    for said in (
        "left out, being no tensors: epoch, auc",
        "stand behind state_dict.module.densenet121. in the file",
        "old names of DenseNet's layers",
        "none of the network's: state_dict.op_threshs",
        "another classifier: classifier.0.bias, classifier.0.weight",
        "first layer: 1 input channels there, 3 here",
        "another scale of grey levels",
    ):
        assert said in caplog.text


def test_nothing_is_said_that_was_not_done(tmp_path, backbone, caplog):
    with caplog.at_level(logging.INFO):
        loaded_from(plain(), backbone, tmp_path / "w.pth")
    assert [record.getMessage().split(":")[0].strip() for record in caplog.records] == [
        "weights", "weights", "left out, being of another classifier",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        {"model": plain(), "model_ema": plain()},
        behind("student.")(plain()) | behind("teacher.")(plain()),
    ],
    ids=["nested", "flat"],
)
def test_two_networks_in_a_file_are_not_chosen_from(tmp_path, backbone, content):
    with pytest.raises(ParamsError, match=r"holds 2 such networks, as \w+\.\*, \w+\.\*; save"):
        loaded_from(content, backbone, tmp_path / "w.pth")


def test_a_tensor_with_two_values_is_refused(tmp_path, backbone):
    twice = plain() | {f"_orig_mod.{FIRST}": torch.zeros(64, 3, 7, 7)}
    with pytest.raises(ParamsError, match=rf"two values of {FIRST}"):
        loaded_from(twice, backbone, tmp_path / "w.pth")


@pytest.mark.parametrize("wrapper", ["chexnet", "lightning", "compiled"])
@pytest.mark.parametrize("fault", ["missing", "unexpected", "misshapen"])
def test_a_wrapper_hides_no_fault(tmp_path, backbone, wrapper, fault):
    state = dict(plain())
    if fault == "missing":
        del state["features.norm5.weight"]
    elif fault == "unexpected":
        state["features.norm6.weight"] = torch.zeros(1)
    else:
        state["features.norm5.weight"] = torch.zeros(7)
    with pytest.raises(ParamsError, match=rf"do not fit densenet121: .* 1 {fault} \['features"):
        loaded_from(WRAPPERS[wrapper](state), backbone, tmp_path / "w.pth")


def under_numpy_1(path):
    """The same file as NumPy 1 would have written it."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content.replace(b"cnumpy._core.", b"cnumpy.core."))


NUMBERS = [
    np.float64(0.8), np.float32(0.8), np.float16(1), np.int64(3), np.uint8(1), np.bool_(True),
    np.str_("x"), np.datetime64("2020-01-01"), np.ones(3), np.ones((2, 2), np.complex64),
]  # fmt: skip


@pytest.mark.parametrize("numpy_1", [False, True])
@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: str(number.dtype))
def test_numpy_s_numbers_may_lie_beside_the_weights(tmp_path, number, numpy_1):
    path = tmp_path / "w.pth"
    torch.save({"a": torch.ones(1), "beside": number}, path)
    if numpy_1:
        under_numpy_1(path)
    assert read_state(path, digest="")[0].keys() == {"a"}


def test_what_is_allowed_for_one_file_is_not_allowed_for_others(tmp_path):
    torch.save({"a": torch.ones(1), "b": np.float64(1)}, tmp_path / "w.pth")
    read_state(tmp_path / "w.pth", digest="")
    with pytest.raises(pickle.UnpicklingError, match="scalar"):
        torch.load(tmp_path / "w.pth", weights_only=True)


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("hidden", ["beside", "in an array", "in a dtype"])
def test_code_beside_the_weights_is_never_run(tmp_path, hidden):
    evil = Touch(tmp_path / "ran")
    content = {
        "beside": evil,
        "in an array": np.array([evil], dtype=object),
        "in a dtype": np.dtype("f8", metadata={"x": evil}),
    }[hidden]
    torch.save({"a": torch.ones(1), "b": content, "c": evil}, tmp_path / "w.pth")
    with pytest.raises(ArtifactError, match=r"holds code \(.*\), .*is not run"):
        read_state(tmp_path / "w.pth", digest="")
    assert not (tmp_path / "ran").exists()


def test_the_class_that_a_file_cannot_be_read_for_is_named(tmp_path):
    torch.save({"a": torch.ones(1), "args": argparse.Namespace(lr=1)}, tmp_path / "w.pth")
    with pytest.raises(ArtifactError, match=r"holds code \(argparse\.Namespace\)"):
        read_state(tmp_path / "w.pth", digest="")


def test_a_dict_without_tensors_is_no_state_dict_however_deep(tmp_path):
    endless = {"epoch": 1}
    endless["self"] = endless
    for content in ({"optimizer": {"lr": 0.1}}, endless):
        torch.save(content, tmp_path / "w.pth")
        with pytest.raises(ArtifactError, match="holds a dict, expected a state dict of tensors"):
            read_state(tmp_path / "w.pth", digest="")


def test_two_tensors_of_one_name_are_refused(tmp_path):
    torch.save({"a": {"b": torch.ones(1)}, "a.b": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(ArtifactError, match=r"names two tensors a\.b"):
        read_state(tmp_path / "w.pth", digest="")


def test_an_optimiser_s_state_is_none_of_the_network(tmp_path, backbone, caplog):
    with caplog.at_level(logging.INFO):
        loaded_from({"model": plain(), "optimizer": OPTIMIZER}, backbone, tmp_path / "w.pth")
    assert "none of the network's: optimizer.state.0.exp_avg" in caplog.text
