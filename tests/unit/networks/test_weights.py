"""Pretrained weights: all that a branch keeps, or none."""

import hashlib
import logging
import pickle
import urllib.error
from pathlib import Path

import pytest
import timm
import torch
from branches import (
    ALL,
    CASCADES,
    LINEAR,
    ODD_TIMM,
    OF_TIMM,
    each_kind,
    few_kinds,
    make_branch,
    no_initialisation,
    of_each,
    some_images,
)
from safetensors.torch import save_file

from pipeline.base.findings import FINDINGS
from pipeline.capsnet.autoencoder import build_autoencoder
from pipeline.errors import ArtifactError, ParamsError
from pipeline.networks import weight_files
from pipeline.networks.backbones.zoo import build_backbone
from pipeline.networks.branch import BranchSpec, build_branch
from pipeline.networks.checkpoints import read_checkpoint, write_checkpoint
from pipeline.networks.pretrained import read_weights
from pipeline.networks.weights import Weights

SHARED = Path(__file__).parents[3] / "../shared"


def spec_of(name, findings=FINDINGS, size=64):
    return BranchSpec(name, findings, 32, size, standardise=False)


@pytest.mark.parametrize("name", [*OF_TIMM, *ODD_TIMM])
def test_timms_own_state_dict_loads(name):
    by_size = {"img_size": 224} if ("vit" in name or "swin" in name) else {}
    weights = timm.create_model(name.removeprefix("timm:"), **by_size).state_dict()
    spec = spec_of(name, **({"size": 224} if by_size else {}))
    with no_initialisation():
        branch = build_branch(spec, weights=Weights(weights, None), seed=9)
    for key, value in branch.features.network.state_dict().items():
        assert torch.equal(value, weights[key]), key


def test_timms_published_file_is_resampled_to_the_input(tmp_path, monkeypatch):
    """From PyTorch's cache, position embeddings of 224 pixels for images of 64."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    name = "vit_tiny_patch16_224"
    source = timm.get_pretrained_cfg(name).hf_hub_id
    file = tmp_path / "checkpoints" / source / "model.safetensors"
    file.parent.mkdir(parents=True)
    given = timm.create_model(name).state_dict()
    save_file(given, file)
    weights = read_weights("imagenet", spec_of(f"timm:{name}"))
    branch = build_branch(spec_of(f"timm:{name}"), weights=weights, seed=0)
    found = branch.features.network.state_dict()
    assert torch.equal(found["blocks.3.attn.qkv.weight"], given["blocks.3.attn.qkv.weight"])
    assert found["pos_embed"].shape == (1, 17, 192)


def test_a_head_that_was_loaded_is_kept_and_a_new_one_starts_at_the_prior(tmp_path):
    first = make_branch("resnet18", seed=3)
    write_checkpoint(first.state_dict(), first.spec.about(), tmp_path / "b.safetensors")
    weights = read_weights(str(tmp_path / "b.safetensors"), spec_of("resnet18"))
    prior = torch.full((14,), -3.0)
    loaded = build_branch(first.spec, weights=weights, prior_logits=prior, seed=9)
    assert torch.equal(loaded.head.bias, first.head.bias)
    fresh = build_branch(
        first.spec, weights=Weights(published("resnet18"), None), prior_logits=prior, seed=9
    )
    assert torch.equal(fresh.head.bias, prior)


def test_weights_that_saw_other_images_are_refused(tmp_path):
    first = make_branch("resnet18", standardise=True)
    write_checkpoint(first.state_dict(), first.spec.about(), tmp_path / "b.safetensors")
    weights = read_weights(str(tmp_path / "b.safetensors"), spec_of("resnet18"))
    with pytest.raises(ParamsError, match=r"standardise: true, and would see .* with false"):
        build_branch(spec_of("resnet18"), weights=weights, seed=0)


def published(name):
    """A state dict as its publisher would give it away, with statistics that are not 0 and 1."""
    plain = name.removesuffix("_capsnet")
    with no_initialisation():
        network = build_backbone(plain, output_stride=32, input_size=64).network
    generator = torch.Generator().manual_seed(5)
    return {
        key: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }


@of_each(each_kind([*LINEAR, *CASCADES]))
def test_published_weights_arrive_and_the_classifier_does_not(name):
    weights = published(name)
    with no_initialisation():
        branch = build_branch(spec_of(name), weights=Weights(weights, None), seed=9)
    given = {hash(value.numpy().tobytes()) for value in weights.values()}
    for key, value in branch.features.state_dict().items():
        assert hash(value.numpy().tobytes()) in given, key
    assert branch.head.weight.shape[0] == len(FINDINGS)


@pytest.mark.parametrize("fault", ["missing", "unexpected", "misshapen"])
def test_weights_that_do_not_fit_are_refused_and_nothing_is_loaded(fault):
    weights = published("resnet18")
    if fault == "missing":
        del weights["layer1.0.conv1.weight"]
    elif fault == "unexpected":
        weights["layer9.weight"] = torch.zeros(1)
    else:
        weights["conv1.weight"] = torch.zeros(64, 2, 7, 7)
    with pytest.raises(ParamsError, match=rf"do not fit resnet18: 1\d\d of 120.*1 {fault}"):
        build_branch(spec_of("resnet18"), weights=Weights(weights, None), seed=0)


def test_what_was_loaded_and_what_was_left_out_is_said(caplog):
    weights = published("resnet18")
    del weights["bn1.num_batches_tracked"]
    with caplog.at_level(logging.INFO):
        build_branch(spec_of("resnet18"), weights=Weights(weights, None), seed=0)
    assert "119 of 120 tensors of resnet18 loaded" in caplog.text
    assert "not in the file: 1 step counters" in caplog.text
    assert "left out, being of another classifier: fc.bias, fc.weight" in caplog.text


def test_weights_of_a_wrapped_network_and_of_old_densenets_are_recognised():
    weights = published("densenet121")
    old = {
        "module." + key.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): value
        for key, value in weights.items()
    }
    assert any(".norm.1." in key for key in old)
    with no_initialisation():
        branches = [
            build_branch(spec_of("densenet121"), weights=Weights(one, None), seed=9)
            for one in (weights, old)
        ]
    images = some_images()
    assert torch.equal(branches[0].feature_map(images), branches[1].feature_map(images))


@of_each(few_kinds(ALL))
def test_a_branch_of_this_project_can_be_the_start_of_another(tmp_path, name):
    first = make_branch(name)
    write_checkpoint(first.state_dict(), first.spec.about(), tmp_path / "b.safetensors")
    weights = read_weights(str(tmp_path / "b.safetensors"), spec_of(name))
    with no_initialisation():
        second = build_branch(first.spec, weights=weights, seed=9).eval()
    images = some_images()
    assert torch.equal(first(images), second(images))


def test_a_branch_with_other_findings_gives_its_features_alone(tmp_path, caplog):
    first = make_branch("resnet18", seed=3, findings=("Cat", "Dog"))
    write_checkpoint(first.state_dict(), first.spec.about(), tmp_path / "b.safetensors")
    weights = read_weights(str(tmp_path / "b.safetensors"), spec_of("resnet18"))
    with caplog.at_level(logging.INFO):
        second = build_branch(spec_of("resnet18"), weights=weights, seed=9).eval()
    images = some_images()
    assert torch.equal(first.feature_map(images), second.feature_map(images))
    assert "head.bias, head.weight" in caplog.text


def test_a_plain_branch_can_be_the_start_of_its_cascade(tmp_path):
    first = make_branch("resnet18", seed=3)
    write_checkpoint(first.state_dict(), first.spec.about(), tmp_path / "b.safetensors")
    weights = read_weights(str(tmp_path / "b.safetensors"), spec_of("resnet18_capsnet"))
    second = build_branch(spec_of("resnet18_capsnet"), weights=weights, seed=9).eval()
    images = some_images()
    assert torch.equal(first.feature_map(images), second.feature_map(images))


def test_a_branch_with_another_backbone_is_refused(tmp_path):
    first = make_branch("resnet18")
    write_checkpoint(first.state_dict(), first.spec.about(), tmp_path / "b.safetensors")
    weights = read_weights(str(tmp_path / "b.safetensors"), spec_of("mobilenet_v2"))
    with pytest.raises(ParamsError, match="of a branch with resnet18, not mobilenet_v2"):
        build_branch(spec_of("mobilenet_v2"), weights=weights, seed=0)


def test_a_fusion_head_is_no_start_for_a_branch(tmp_path):
    write_checkpoint({"head.bias": torch.zeros(1)}, {"head": "linear"}, tmp_path / "f.safetensors")
    with pytest.raises(ArtifactError, match="is of this project, but not of a branch"):
        read_weights(str(tmp_path / "f.safetensors"), spec_of("resnet18"))


def test_a_cascade_starts_with_the_pretrained_capsnet_and_no_other_branch_does():
    state = build_autoencoder(14, seed=4).capsnet.state_dict()
    branch = build_branch(spec_of("resnet18_capsnet"), weights=None, capsnet=state, seed=0)
    for key, value in branch.readout.capsnet.state_dict().items():
        assert torch.equal(value, state[key]), key
    for name in ("resnet18", "capsnet"):
        with pytest.raises(ParamsError, match="is for cascades"):
            build_branch(spec_of(name), weights=None, capsnet=state, seed=0)
        build_branch(spec_of(name), weights=None, capsnet={}, seed=0)


def test_the_capsules_of_another_run_are_not_overwritten_by_pretrained_ones(tmp_path):
    first = make_branch("resnet18_capsnet", seed=3)
    write_checkpoint(first.state_dict(), first.spec.about(), tmp_path / "b.safetensors")
    weights = read_weights(str(tmp_path / "b.safetensors"), first.spec)
    state = build_autoencoder(14, seed=4).capsnet.state_dict()
    second = build_branch(first.spec, weights=weights, capsnet=state, seed=0)
    for key, value in second.state_dict().items():
        assert torch.equal(value, first.state_dict()[key]), key


def test_a_cascade_without_its_pretraining_is_not_trained():
    with pytest.raises(ParamsError, match="not pretrained; run `dvc repro`"):
        build_branch(spec_of("resnet18_capsnet"), weights=None, capsnet={}, seed=0)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"conv1.weight": Evil()}))
    with pytest.raises(ArtifactError, match=r"evil\.pth: not a readable state dict"):
        read_weights(str(tmp_path / "evil.pth"), spec_of("resnet18"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"text, not weights", [torch.ones(1)], {"epoch": 3}])
def test_a_file_without_a_state_dict_is_named(tmp_path, content):
    path = tmp_path / "w.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(
        ArtifactError, match=r"w\.pth: (an empty|not a readable|holds a \w+, expected a)"
    ):
        read_weights(str(path), spec_of("resnet18"))


def test_a_state_dict_may_lie_in_a_training_checkpoint(tmp_path):
    torch.save({"epoch": 3, "state_dict": published("resnet18")}, tmp_path / "w.pth")
    weights = read_weights(str(tmp_path / "w.pth"), spec_of("resnet18"))
    branch = build_branch(spec_of("resnet18"), weights=weights, seed=9)
    given = published("resnet18")["conv1.weight"]
    assert torch.equal(branch.features.stem[0].weight, given)


def test_a_missing_file_is_named_and_none_is_none(tmp_path):
    with pytest.raises(ArtifactError, match=r"no\.pth: no such file; params.yaml names"):
        read_weights(str(tmp_path / "no.pth"), spec_of("resnet18"))
    assert read_weights("none", spec_of("resnet18")) is None


def test_a_digest_behind_the_path_says_which_file_is_meant(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"a": torch.ones(1)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for said in (digest, digest[:12], digest.upper()):
        assert read_weights(f"{path}@sha256:{said}", spec_of("resnet18")) is not None
    with pytest.raises(ArtifactError, match=rf"another file.*is {digest}, expected 0123"):
        read_weights(f"{path}@sha256:01234567", spec_of("resnet18"))


def cached(folder, monkeypatch, content):
    """torchvision's own file of a ResNet-18, in PyTorch's cache."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder))
    file = folder / "checkpoints/resnet18-f37072fd.pth"
    file.parent.mkdir()
    file.write_bytes(content)
    return file


def test_imagenet_is_torchvisions_own_file_in_its_own_cache(tmp_path, monkeypatch):
    torch.save({"conv1.weight": torch.ones(1)}, tmp_path / "w.pth")
    cached(tmp_path, monkeypatch, (tmp_path / "w.pth").read_bytes())
    monkeypatch.setattr(weight_files, "check_file", lambda path, digest: asked.append(digest))
    asked = []
    found = read_weights("imagenet", spec_of("resnet18_capsnet"))
    assert found.state == {"conv1.weight": torch.ones(1)}
    assert asked == ["f37072fd"]


def test_another_file_in_torchvisions_cache_is_refused(tmp_path, monkeypatch):
    cached(tmp_path, monkeypatch, b"cut short")
    with pytest.raises(ArtifactError, match=r"resnet18-f37072fd\.pth: is another file"):
        read_weights("imagenet", spec_of("resnet18"))


FILES = {
    "resnext101": "resnext101_32x8d-8ba56ff5.pth",
    "mobilenet_v3": "mobilenet_v3_large-8738ca79.pth",
}


def test_imagenet_without_a_network_names_the_file_and_where_to_put_it(tmp_path, monkeypatch):
    def offline(*_args, **_kwargs):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    for name in LINEAR:
        if not name.startswith("timm:"):
            file = FILES.get(name, r"\w+-[0-9a-f]{8}\.pth")
            with pytest.raises(ArtifactError, match=rf"put {file} into .*checkpoints"):
                read_weights("imagenet", spec_of(name))
    with pytest.raises(ArtifactError, match=r"put model\.safetensors into .*timm/resnet18"):
        read_weights("imagenet", spec_of("timm:resnet18"))


def test_an_empty_digest_is_refused():
    with pytest.raises(ArtifactError, match="expected 8 to 64 hexadecimal digits"):
        read_weights("w.pth@sha256:", spec_of("resnet18"))


def test_a_capsnet_has_no_imagenet_weights():
    with pytest.raises(ArtifactError, match="no ImageNet weights for capsnet; say none"):
        read_weights("imagenet", spec_of("capsnet"))


def test_a_foreign_safetensors_file_is_no_checkpoint(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(ArtifactError, match="not made by this project"):
        read_checkpoint(tmp_path / "a.safetensors")
    assert read_weights(str(tmp_path / "a.safetensors"), spec_of("resnet18")).state.keys() == {"a"}


def test_the_real_imagenet_file_loads():
    path = SHARED / "weights/mobilenet_v2_imagenet.pth"
    if not path.is_file():
        pytest.skip("no real weights beside the checkout")
    weights = read_weights(str(path), spec_of("mobilenet_v2"))
    for name in ("mobilenet_v2", "mobilenet_v2_capsnet"):
        branch = build_branch(spec_of(name, size=96), weights=weights, seed=0)
        assert torch.equal(branch.features[0][0].weight, weights.state["features.0.0.weight"])
