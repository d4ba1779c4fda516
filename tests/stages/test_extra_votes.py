"""Finished experiments and files vote without being trained again, by real DVC commands."""

import json
import shutil

import pytest
import yaml

from pipeline.base.tables import read_predictions
from pipeline.errors import ArtifactError
from pipeline.results.evaluation.files.extra_votes import collect_votes, read_extra
from tests.stages.conftest import commit, merge, run, stages_run

pytestmark = pytest.mark.xdist_group("pipeline")  # the pipeline is run once, on one worker


@pytest.fixture(scope="module")
def experimented(finished, tmp_path_factory):
    """A copy in which an experiment `longer` has trained another fusion head."""
    folder = tmp_path_factory.mktemp("experimented") / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    train = ["-S", "fusion.epochs=2", "train_fusion@model"]
    run("dvc", "exp", "run", "-n", "longer", *train, cwd=folder)
    (folder / "elsewhere.parquet").write_bytes(
        (folder / "data/predictions/model/fusion.parquet").read_bytes()
    )
    run("git", "checkout", "-q", ".", cwd=folder)
    run("dvc", "checkout", "-q", "--force", cwd=folder)
    return folder


@pytest.mark.parametrize("source", ["longer", "elsewhere.parquet"])
def test_what_was_trained_elsewhere_votes_and_nothing_is_trained(experimented, source):
    path = experimented / "params.yaml"
    before = path.read_text()
    values = merge(yaml.safe_load(before), {"ensemble": {"extra": [source]}})
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    done = run("dvc", "repro", "evaluate", cwd=experimented)
    assert stages_run(done) == ["ensemble", "evaluate"]
    name = source.removesuffix(".parquet")
    extra = read_extra(experimented / "data/extra.parquet")
    assert extra[name].equals(read_predictions(experimented / "elsewhere.parquet"))
    metrics = json.loads((experimented / "metrics/systems.json").read_text())
    assert metrics[name]["mean_auroc"] != metrics["model.fusion"]["mean_auroc"]
    path.write_text(before)


def test_it_votes_in_an_experiment_in_a_folder_of_its_own_too(experimented):
    extra = ["-S", "ensemble.extra=[longer]", "evaluate"]
    run("dvc", "exp", "run", "--temp", "-n", "voted", *extra, cwd=experimented)
    run("dvc", "exp", "branch", "voted", "voted", cwd=experimented)
    metrics = run("git", "show", "voted:metrics/systems.json", cwd=experimented).stdout
    assert "longer" in json.loads(metrics)


def test_what_is_neither_an_experiment_nor_a_file_is_refused_by_name(experimented, tmp_path):
    with pytest.raises(ArtifactError, match=r"extra: lnger: .*expected a file .*dvc exp list"):
        collect_votes(["lnger"], [], experimented)
    with pytest.raises(ArtifactError, match=r"none.parquet: no such file"):
        collect_votes([str(tmp_path / "none.parquet")], [], experimented)


def test_a_commit_without_results_is_refused(experimented, tmp_path):
    run("git", "init", "-q", cwd=tmp_path)
    run("dvc", "init", "-q", cwd=tmp_path)
    commit(tmp_path)
    with pytest.raises(ArtifactError, match=r"extra: HEAD: .*data/predictions/model/fusion"):
        collect_votes(["HEAD"], [], tmp_path)


def test_one_name_votes_once_and_another_file_than_was_meant_does_not(experimented):
    file = str(experimented / "elsewhere.parquet")
    with pytest.raises(ArtifactError, match="another system is called elsewhere"):
        collect_votes([file, file], [], experimented)
    with pytest.raises(ArtifactError, match="another system is called model"):
        collect_votes(["model"], ["model"], experimented)
    with pytest.raises(ArtifactError, match=r"is another file .* expected abc"):
        collect_votes([f"{file}@sha256:abc"], [], experimented)
