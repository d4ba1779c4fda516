"""Pretrained weights: all of them or none."""

import pickle
import urllib.error
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.artifacts.checkpoints import read_checkpoint
from pipeline.artifacts.pretrained import read_weights
from pipeline.errors import ArtifactError, ParamsError
from pipeline.findings import FINDINGS
from pipeline.networks.backbone import BACKBONES, build_backbone
from pipeline.networks.branch import BranchSpec, build_branch

SHARED = Path(__file__).parents[2] / "../shared"


@pytest.mark.parametrize("name", BACKBONES)
def test_weights_arrive_and_the_classifier_does_not(name):
    source = build_backbone(name, output_stride=32)
    spec = BranchSpec(name, FINDINGS, 32, 64, standardise=False)
    branch = build_branch(spec, weights=source.network.state_dict(), seed=9)
    for ours, theirs in zip(
        branch.features.parameters(), source.features.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)
    assert branch.head.out_features == len(FINDINGS)


@pytest.mark.parametrize("fault", ["missing", "unexpected", "misshapen"])
def test_weights_that_do_not_fit_are_refused_and_nothing_is_loaded(fault):
    weights = dict(build_backbone("resnet18", output_stride=32).network.state_dict())
    if fault == "missing":
        del weights["layer1.0.conv1.weight"]
    elif fault == "unexpected":
        weights["layer9.weight"] = torch.zeros(1)
    else:
        weights["conv1.weight"] = torch.zeros(64, 1, 7, 7)
    with pytest.raises(ParamsError, match=f"1 {fault}"):
        build_branch(
            BranchSpec("resnet18", FINDINGS, 32, 64, standardise=False), weights=weights, seed=0
        )


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"conv1.weight": Evil()}))
    with pytest.raises(ArtifactError, match=r"evil\.pth: not a readable state dict"):
        read_weights(str(tmp_path / "evil.pth"), "resnet18")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"text, not weights", [torch.ones(1)], {"epoch": 3}])
def test_a_file_without_a_state_dict_is_named(tmp_path, content):
    path = tmp_path / "w.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ArtifactError, match=r"w\.pth: (not a readable|holds a \w+, expected a)"):
        read_weights(str(path), "resnet18")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"no\.pth: no such file"):
        read_weights(str(tmp_path / "no.pth"), "resnet18")
    assert read_weights("none", "resnet18") is None


def test_imagenet_is_torchvisions_own_file_in_its_own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    cached = tmp_path / "checkpoints/resnet18-f37072fd.pth"
    cached.parent.mkdir()
    torch.save({"conv1.weight": torch.ones(1)}, cached)
    assert read_weights("imagenet", "resnet18") == {"conv1.weight": torch.ones(1)}


def test_imagenet_without_a_network_names_the_file_and_where_to_put_it(tmp_path, monkeypatch):
    def offline(*_args, **_kwargs):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(ArtifactError, match=r"put resnet18-f37072fd\.pth into"):
        read_weights("imagenet", "resnet18")


def test_a_foreign_safetensors_file_is_no_checkpoint(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(ArtifactError, match="not made by this project"):
        read_checkpoint(tmp_path / "a.safetensors")
    assert read_weights(str(tmp_path / "a.safetensors"), "x").keys() == {"a"}


def test_the_real_imagenet_file_loads():
    path = SHARED / "weights/mobilenet_v2_imagenet.pth"
    if not path.is_file():
        pytest.skip("no real weights beside the checkout")
    weights = read_weights(str(path), "mobilenet_v2")
    branch = build_branch(
        BranchSpec("mobilenet_v2", FINDINGS, 16, 96, standardise=False), weights=weights, seed=0
    )
    assert torch.equal(branch.features[0][0].weight, weights["features.0.0.weight"])
