"""`cxr model`: a card, a copy that names its revision, and what it says of a graph."""

import shutil
import subprocess
from pathlib import Path

import pytest
from made_model import write_model

from pipeline.commands.model import main
from pipeline.errors import ArtifactError, PipelineError
from pipeline.predict.about.description import read_backbones, read_description
from pipeline.predict.card import model_card
from pipeline.predict.onnx import export
from pipeline.predict.onnx.check import Agreement


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("made") / "models", members=("model",))


@pytest.fixture
def models(made, tmp_path, monkeypatch):
    """The folder of a model, in one that is no repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(made, tmp_path / "clone/models")


def commit(folder):
    """Make the folder a repository with all that it holds; its revision."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "a"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    said = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=folder, text=True)
    return said.strip()


def exported(folder, to="copy"):
    main("export", folder, Path(to))
    return read_description(Path(to)).revision


@pytest.mark.parametrize("name", ["models", "runs:/models"])
def test_a_card_is_shown_of_any_folder_that_is_there(models, capsys, name):
    folder = Path(name)
    shutil.copytree(models, folder)
    main("show", folder)
    about = read_description(folder)
    assert capsys.readouterr().out == f"{model_card(about, read_backbones(folder, about))}\n"


def test_an_export_names_its_commit_and_says_whether_files_differ_from_it(models, capsys):
    revision = commit(models.parent)
    assert exported(models) == revision[:12]
    assert capsys.readouterr().out == f"copy: the model of {models}\n"
    note = models / "model.json"
    note.write_text(f"{note.read_text()}\n")
    assert exported(models, "changed") == f"{revision[:12]}+"


def test_an_export_of_an_export_names_the_commit_that_it_came_from(models):
    revision = commit(models.parent)
    exported(models)
    shutil.move("copy", models.parent / "elsewhere")
    assert commit(models.parent) != revision
    assert exported(models.parent / "elsewhere") == revision[:12]


@pytest.mark.parametrize("absent", ["repository", "git"])
def test_a_model_of_no_repository_has_no_revision(models, monkeypatch, absent):
    if absent == "git":
        commit(models.parent)
        monkeypatch.setenv("PATH", "")
    assert exported(models) is None


def test_an_export_without_a_place_is_refused(models):
    with pytest.raises(ArtifactError, match=r"^export needs --to, a new folder$"):
        main("export", models)


def test_nothing_is_registered_where_there_is_no_checkout(models, monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(PipelineError) as caught:
        main("register", models)
    assert str(caught.value) == (
        f"{tmp_path}: no checkout, so no registry; go to your clone (cd), or set "
        "MLFLOW_TRACKING_URI"
    )


def traced(folder, path):
    """In place of half a minute of tracing."""
    path.touch()
    return export.Written(Agreement(60, 59, 3.2e-7), ["model.gradcam_pp"])


def test_of_a_graph_is_said_how_near_it_is_and_what_is_not_in_it(models, capsys, monkeypatch):
    monkeypatch.setattr(export, "write_onnx", traced)
    main("export", models, Path("copy"), onnx=True)
    first, agreement, *outside = capsys.readouterr().out.splitlines()
    assert first == f"copy: the model of {models}"
    assert agreement == (
        "model.onnx: probabilities within 3e-07 of PyTorch's on 59 of 60 synthetic radiographs, "
        "with the same crops"
    )
    assert {one.partition(":")[0] for one in outside} == {"  not in it"}
    assert outside[-1] == "  not in it: heatmaps of model.gradcam_pp, by gradients or many passes"
    assert Path("copy/model.onnx").is_file()


def test_a_copy_whose_graph_cannot_be_written_is_not_left_behind(models, capsys, monkeypatch):
    def fails(folder, path):
        raise ArtifactError("differs from PyTorch")

    monkeypatch.setattr(export, "write_onnx", fails)
    with pytest.raises(ArtifactError, match="differs from PyTorch"):
        main("export", models, Path("copy"), onnx=True)
    assert capsys.readouterr().out == ""
    assert not Path("copy").exists()
