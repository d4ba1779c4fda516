"""Taking a recipe: nothing of the user's is lost, and nothing is started that cannot run."""

import shutil
import subprocess
from pathlib import Path

import pytest
from three_members import three_members

from pipeline.errors import ParamsError
from pipeline.params.recipes import merged, use_recipe
from pipeline.params.whole import load_params

REPO = Path(__file__).parents[3]
DEMO = three_members()


def git(folder, *words):
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def unpack(folder):
    shutil.copy(REPO / "dvc.yaml", folder)
    (folder / "params.yaml").write_text(DEMO)
    shutil.copytree(REPO / "recipes", folder / "recipes")
    return folder


@pytest.fixture
def project(tmp_path):
    unpack(tmp_path)
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "state"]):
        git(tmp_path, *words)
    return tmp_path


def test_what_is_committed_or_a_recipe_made_is_replaced_and_own_changes_are_not(project):
    params, recipe = project / "params.yaml", project / "recipes/phantom-full.yaml"
    use_recipe("phantom-full", project)
    made = params.read_text()
    assert made == merged(DEMO, recipe)[0]
    use_recipe("phantom-full", project)
    assert params.read_text() == made
    for own in (made.replace("seed: 7", "seed: 8", 1), DEMO + "# mine\n"):
        params.write_text(own)
        with pytest.raises(ParamsError, match="changes of your own"):
            use_recipe("phantom-full", project)
        assert params.read_text() == own
    params.unlink()
    use_recipe("phantom-full", project)
    assert params.read_text() == made


def test_a_recipe_follows_a_recipe_as_if_that_had_not_been(project):
    (project / "data/nih").mkdir(parents=True)
    use_recipe("nih-paper-tables", project)
    use_recipe("phantom-full", project)
    assert load_params(project / "params.yaml").phantom.patients == 6500
    assert list(load_params(project / "params.yaml").members) == ["model", "second", "third"]


def test_a_recipe_whose_result_is_committed_is_no_ground_for_another(project):
    use_recipe("phantom-full", project)
    git(project, "commit", "-qam", "phantom-full")
    before = (project / "params.yaml").read_text()
    with pytest.raises(ParamsError, match=r"is made by the recipe 'phantom-full'.*git checkout"):
        use_recipe("phantom-full", project)
    assert (project / "params.yaml").read_text() == before


def test_a_recipe_without_its_radiographs_changes_nothing_and_names_the_folder(project):
    with pytest.raises(ParamsError, match=r"recipe .nih.: ingest.source: data/nih is not there"):
        use_recipe("nih", project)
    assert (project / "params.yaml").read_text() == DEMO
    (project / "data/nih").mkdir(parents=True)
    use_recipe("nih", project)


def test_a_recipe_with_a_fault_changes_nothing(project):
    (project / "recipes/mine.yaml").write_text("crop: {inptu_size: 3}\n")
    with pytest.raises(
        ParamsError, match=r"recipes/mine.yaml: crop.inptu_size: .* did you mean input_size?"
    ):
        use_recipe("mine", project)
    assert (project / "params.yaml").read_text() == DEMO


def test_a_fault_of_the_committed_params_is_not_laid_on_a_recipe(project):
    for text, said in ((DEMO + "sede: 3\n", "sede: unknown key"), ("seed: [", "not YAML")):
        (project / "params.yaml").write_text(text)
        git(project, "commit", "-qam", "faulty")
        with pytest.raises(ParamsError, match=rf"^params.yaml as committed.*: {said}"):
            use_recipe("phantom-full", project)


@pytest.mark.parametrize("name", ["nope", "../params", ""])
def test_an_unknown_recipe_is_answered_with_those_that_there_are(project, name):
    there_are = ", ".join(file.stem for file in sorted((REPO / "recipes").glob("*.yaml")))
    with pytest.raises(ParamsError, match=f"there are: {there_are}$"):
        use_recipe(name, project)


def test_what_a_search_tries_is_no_recipe(project):
    shutil.copy(REPO / "search.yaml", project / "recipes")
    with pytest.raises(ParamsError, match=r"recipes/search.yaml: branch: unknown key"):
        use_recipe("search", project)
    assert (project / "params.yaml").read_text() == DEMO


def test_outside_git_it_is_said_what_is_missing_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    unpack(tmp_path)
    with pytest.raises(ParamsError, match=r"no params.yaml is committed here.*archive.*git init"):
        use_recipe("phantom-full", tmp_path)
    assert (tmp_path / "params.yaml").read_text() == DEMO
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "unpacked"]):  # as it says
        git(tmp_path, *words)
    use_recipe("phantom-full", tmp_path)


def test_in_the_repository_of_something_else_it_is_said_too(project):
    inner = project / "unpacked"
    inner.mkdir()
    unpack(inner)
    with pytest.raises(ParamsError, match=r"no params\.yaml is committed here"):
        use_recipe("phantom-full", inner)


def test_without_git_it_is_said_that_it_is_missing(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(ParamsError, match="git is not installed"):
        use_recipe("phantom-full", project)
