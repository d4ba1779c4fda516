"""Radiographs that nobody has are named before any stage runs."""

import pytest
import yaml

from pipeline.errors import ArtifactError, ParamsError
from pipeline.params import sources
from pipeline.params.sections import Member
from pipeline.params.sources import expect_backbones, expect_source, expect_weights


@pytest.fixture
def project(tmp_path):
    graph = {"stages": {"phantom": {"outs": ["data/made"]}, "ingest": {}}}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump(graph))
    return tmp_path


def test_a_folder_that_is_not_there_is_named(project):
    with pytest.raises(ParamsError, match=r"ingest\.source: data/nih is not there, and no stage"):
        expect_source("data/nih", project)


def test_a_tilde_is_answered_with_what_it_stands_for(project, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    with pytest.raises(ParamsError, match=r"ingest\.source: ~/nih: DVC .* write /home/ada/nih$"):
        expect_source("~/nih", project)


def test_a_folder_that_is_there_will_do_wherever_it_is(project, tmp_path_factory):
    (project / "data/nih").mkdir(parents=True)
    expect_source("data/nih", project)
    expect_source(str(tmp_path_factory.mktemp("elsewhere")), project)


def test_what_the_graph_makes_need_not_be_there_yet(project):
    for way in ("data/made", "data/made/", "./data/made"):
        expect_source(way, project)


def test_what_ingest_has_read_before_need_not_be_there_any_more(project):
    lock = {"stages": {"ingest": {"deps": [{"path": "data/nih", "md5": "0"}]}}}
    (project / "dvc.lock").write_text(yaml.safe_dump(lock))
    expect_source("data/nih", project)
    with pytest.raises(ParamsError, match=r"data/other is not there"):
        expect_source("data/other", project)


def test_a_lock_without_ingest_knows_no_folder(project):
    (project / "dvc.lock").write_text(yaml.safe_dump({"stages": {"phantom": {}}}))
    with pytest.raises(ParamsError, match=r"data/nih is not there"):
        expect_source("data/nih", project)


@pytest.mark.parametrize("lock", ["schema: '2.0'\n", "schema: '2.0'\nstages: {}\n"])
def test_a_lock_of_no_run_yet_knows_no_folder_and_no_weights(project, lock):
    (project / "dvc.lock").write_text(lock)
    expect_source("data/made", project)
    with pytest.raises(ParamsError, match=r"data/nih is not there"):
        expect_source("data/nih", project)
    with pytest.raises(ParamsError, match=r"w\.pth is not there"):
        expect_weights(members("w.pth"), ["model"], project)


@pytest.mark.parametrize("lock", ["", "[]", "schema: '2.0'\nstages: []\n", "stages:\n"])
def test_a_lock_that_dvc_did_not_write_is_named_with_the_remedy(project, lock):
    (project / "dvc.lock").write_text(lock)
    with pytest.raises(ArtifactError, match=r"dvc\.lock: holds a \w+ in place.*git checkout"):
        expect_source("data/nih", project)


def members(source, backbone="resnet18"):
    weights = {"global": source, "local": "none"}
    member = {"global": backbone, "local": "resnet18", "weights": weights}
    return {"model": Member.model_validate(member)}


@pytest.mark.parametrize("source", ["imagnet", "w.pth", "w.pth@sha256:1f3a"])
def test_weights_that_are_not_there_are_named_with_what_there_is(project, source):
    name = source.partition("@")[0]
    with pytest.raises(
        ParamsError, match=rf"model\.weights\.global: {name} is not there; expected none, "
    ):
        expect_weights(members(source), ["model"], project)


@pytest.mark.parametrize("source", ["none", "imagenet", "w.pth", "w.pth@sha256:1f3a"])
def test_weights_that_are_there_or_no_file_will_do(project, source):
    (project / "w.pth").touch()
    expect_weights(members(source), ["model"], project)


def test_weights_that_a_branch_has_started_from_need_not_be_there_any_more(project):
    params = {"params.yaml": {"model.weights.global": "w.pth"}}
    lock = {"stages": {"train_global@model": {"params": params}}}
    (project / "dvc.lock").write_text(yaml.safe_dump(lock))
    expect_weights(members("w.pth"), ["model"], project)
    with pytest.raises(ParamsError, match=r"other\.pth is not there"):
        expect_weights(members("other.pth"), ["model"], project)


def test_a_network_of_torchxrayvision_needs_the_package_where_no_branch_has_started_from_it(
    project, monkeypatch
):
    found = {"torchxrayvision": object()}
    monkeypatch.setattr(sources, "find_spec", found.get)
    given = members("xrv:densenet121-res224-all", backbone="densenet121")
    expect_weights(given, ["model"], project)
    found.clear()
    with pytest.raises(
        ParamsError,
        match=r"model\.weights\.global: xrv:\S+ needs torchxrayvision, .* pip install '\.\[xrv\]'",
    ):
        expect_weights(given, ["model"], project)
    params = {"params.yaml": {"model.weights.global": "xrv:densenet121-res224-all"}}
    lock = {"stages": {"train_global@model": {"params": params}}}
    (project / "dvc.lock").write_text(yaml.safe_dump(lock))
    expect_weights(given, ["model"], project)


def test_weights_of_a_member_that_does_not_vote_are_not_sought(project):
    expect_weights(members("w.pth"), [], project)


@pytest.mark.parametrize("backbone", ["resnet18", "timm:resnet34", "timm:resnet34_capsnet"])
def test_backbones_that_are_there_pass(backbone):
    expect_backbones(members("none", backbone), ["model"])


@pytest.mark.parametrize(
    ("backbone", "reason"),
    [
        ("timm:", r"model\.global: timm has no such model"),
        (
            "timm:resnet18x",
            r"timm has no such model; did you mean resnet18 or .*\? \(found 'timm:r",
        ),
        ("timm:resnet18x_capsnet", r"timm has no such model; did you mean resnet18 or .*\?"),
    ],
)
def test_a_network_that_timm_has_not_is_named_with_its_like(backbone, reason):
    with pytest.raises(ParamsError, match=reason):
        expect_backbones(members("none", backbone), ["model"])
    expect_backbones(members("none", backbone), [])


def test_without_timm_its_networks_are_refused_and_others_are_not(monkeypatch):
    monkeypatch.setattr(sources, "find_spec", {}.get)
    with pytest.raises(ParamsError, match=r"model\.global: needs timm, .* pip install timm"):
        expect_backbones(members("none", "timm:resnet34"), ["model"])
    expect_backbones(members("none"), ["model"])
