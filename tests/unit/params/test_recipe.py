"""Taking a recipe: nothing of the user's is lost, and nothing is started that cannot run."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.errors import ParamsError
from pipeline.params.recipes import use_recipe

REPO = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path):
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPO / name, tmp_path)
    shutil.copytree(REPO / "recipes", tmp_path / "recipes")
    (tmp_path / "params.yaml").write_text((REPO / "recipes/nih.yaml").read_text() + "# mine")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "state"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    return tmp_path


def test_what_is_committed_or_a_recipe_is_replaced_and_own_changes_are_not(project):
    params = project / "params.yaml"
    recipe = (project / "recipes/phantom-full.yaml").read_text()
    use_recipe("phantom-full", project)
    assert params.read_text() == recipe
    use_recipe("phantom-full", project)
    params.write_text(recipe.replace("seed: 7", "seed: 8", 1))
    with pytest.raises(ParamsError, match="changes of your own"):
        use_recipe("phantom-full", project)
    assert "seed: 8" in params.read_text()


def test_a_recipe_without_its_radiographs_changes_nothing_and_names_the_folder(project):
    before = (project / "params.yaml").read_text()
    with pytest.raises(ParamsError, match=r"recipe .nih.: ingest.source: data/nih is not there"):
        use_recipe("nih", project)
    assert (project / "params.yaml").read_text() == before
    (project / "data/nih").mkdir(parents=True)
    use_recipe("nih", project)


@pytest.mark.parametrize("name", ["nope", "../params", ""])
def test_an_unknown_recipe_is_answered_with_those_that_there_are(project, name):
    with pytest.raises(
        ParamsError, match="there are: nih-512, nih-paper-tables, nih-sample, nih, phantom-full"
    ):
        use_recipe(name, project)


def test_a_search_space_is_no_params_file_and_says_what_it_is_for(project):
    before = (project / "params.yaml").read_text()
    with pytest.raises(ParamsError, match=r"cxr search --recipe recipes/search\.yaml"):
        use_recipe("search", project)
    assert (project / "params.yaml").read_text() == before
