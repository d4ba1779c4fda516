"""Networks of torchxrayvision are read by that package: from its cache, or downloaded by it."""

import io
import logging
import sys
import warnings
from pathlib import Path

import pytest
import requests
import torch
from xrv_networks import CHEX, OUTPUTS, Package, published

from pipeline.base.findings import FINDINGS
from pipeline.errors import ArtifactError
from pipeline.networks.branch import BranchSpec
from pipeline.networks.pretrained import read_weights
from pipeline.params.names import XRV_NETWORKS

NAME = "densenet121-res224-chex"
FILE = f"{NAME}-best.pt"


def spec_of(backbone="densenet121", size=64):
    return BranchSpec(backbone, FINDINGS, 32, size, standardise=False)


def file_of(name):
    """A whole model, as the package publishes it."""
    content = io.BytesIO()
    torch.save(published(name), content)
    return content.getvalue()


@pytest.fixture
def install(monkeypatch, tmp_path):
    """Let the stand-in be what `import torchxrayvision` gives."""

    def install(content):
        package = Package(tmp_path / "cache", content)
        monkeypatch.setitem(sys.modules, "torchxrayvision", package)
        return package

    return install


@pytest.mark.parametrize("name", [NAME, "resnet50-res512-all"])
def test_a_network_is_downloaded_once_and_then_read_from_the_package_s_cache(
    install, tmp_path, name
):
    package = install(file_of(name))
    for _ in range(2):
        weights = read_weights(f"xrv:{name}", spec_of())
    assert package.downloads == 1
    assert [one.name for one in (tmp_path / "cache").iterdir()] == [f"{name}-best.pt"]
    assert weights.about is None
    assert weights.outputs == (CHEX if name == NAME else OUTPUTS)
    assert weights.state.keys() == published(name).state_dict().keys()
    for key, value in published(name).state_dict().items():
        assert torch.equal(weights.state[key], value), key


def test_which_file_it_was_and_for_what_size_is_said(install, caplog, capsys):
    install(file_of(NAME))
    with caplog.at_level(logging.INFO):
        read_weights(f"xrv:{NAME}", spec_of(size=64))
    assert f"{FILE}, sha256 " in caplog.text
    assert "trained on images of 224 pixels a side; here they have 64" in caplog.text
    caplog.clear()
    read_weights(f"xrv:{NAME}", spec_of(size=224))
    assert "trained on" not in caplog.text
    assert capsys.readouterr().out == ""


def test_the_package_silences_no_warnings_but_its_own(install):
    install(file_of(NAME))
    before = list(warnings.filters)
    read_weights(f"xrv:{NAME}", spec_of())
    assert warnings.filters == before


def test_without_the_package_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchxrayvision", None)
    with pytest.raises(ArtifactError, match=r"torchxrayvision, .*: pip install '\.\[xrv\]'"):
        read_weights(f"xrv:{NAME}", spec_of())


def test_a_package_that_is_older_than_the_network_is_to_be_upgraded(install):
    package = install(b"")
    del package.models.model_urls[NAME]
    with pytest.raises(ArtifactError, match=rf"xrv:{NAME}: .*--upgrade torchxrayvision"):
        read_weights(f"xrv:{NAME}", spec_of())


def test_a_download_that_fails_is_a_line_and_leaves_nothing_behind(install, tmp_path):
    package = install(ConnectionError("no route\nto anywhere"))
    with pytest.raises(ArtifactError) as caught:
        read_weights(f"xrv:{NAME}", spec_of())
    assert str(caught.value) == (
        f"xrv:{NAME} could not be fetched (no route); put {FILE} into {tmp_path / 'cache'}"
    )
    assert not list((tmp_path / "cache").iterdir())
    package.content = file_of(NAME)
    assert read_weights(f"xrv:{NAME}", spec_of()).outputs == CHEX


@pytest.mark.parametrize("content", [b"", b"Not Found", b"<html>", None])
def test_what_is_no_network_is_not_kept(install, tmp_path, content):
    install(file_of(NAME)[:-9999] if content is None else content)
    with pytest.raises(ArtifactError, match=rf"fetched \(.+\); put {FILE} into"):
        read_weights(f"xrv:{NAME}", spec_of())
    assert not list((tmp_path / "cache").iterdir())


def test_a_broken_file_in_the_cache_is_named_with_the_remedy(install, tmp_path):
    """The package itself leaves an empty one behind when it has no network."""
    install(b"")
    path = tmp_path / "cache" / FILE
    path.parent.mkdir()
    path.touch()
    with pytest.raises(
        ArtifactError, match=rf"^{path}: torchxrayvision cannot read it .*; delete"
    ):
        read_weights(f"xrv:{NAME}", spec_of())


@pytest.fixture
def real(monkeypatch, tmp_path):
    """The package itself, where it is installed, with an empty cache."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = pytest.importorskip("torchxrayvision")
    monkeypatch.setattr(package.utils, "get_cache_dir", lambda: str(tmp_path))
    return package


@pytest.mark.parametrize("name", [NAME, "resnet50-res512-all"])
def test_the_package_itself_reads_files_of_both_its_kinds(real, tmp_path, name):
    """A whole model of its own class, and a state dict of torchvision's; both made here."""
    state = {key: one for key, one in published(name).state_dict().items() if key != "op_threshs"}
    content = state
    if name == NAME:
        content = real.models.DenseNet()
        content.load_state_dict(state)
    torch.save(content, tmp_path / Path(real.models.model_urls[name]["weights_url"]).name)
    weights = read_weights(f"xrv:{name}", spec_of())
    assert weights.outputs == (CHEX if name == NAME else OUTPUTS)
    assert weights.state.keys() - {"op_threshs"} == state.keys()
    for key, value in state.items():
        assert torch.equal(weights.state[key], value), key


def test_a_download_of_the_package_itself_that_fails_is_a_line(real, tmp_path, monkeypatch):
    def offline(*_args, **_kwargs):
        raise requests.exceptions.ConnectionError("no route")

    monkeypatch.setattr(requests, "get", offline)
    with pytest.raises(ArtifactError, match=rf"xrv:{NAME} could not be fetched \(no route\); put"):
        read_weights(f"xrv:{NAME}", spec_of())
    assert not list(tmp_path.iterdir())


def test_every_network_that_params_admit_is_one_of_the_package_s(real):
    known = real.models.model_urls
    assert {name for name in known if "-res" in name} == {*XRV_NETWORKS}
    for name in XRV_NETWORKS:
        assert len(known[name]["labels"]) == len(OUTPUTS)
        assert f"-res{known[name]['input_resolution']}-" in name
