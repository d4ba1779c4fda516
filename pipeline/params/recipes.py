"""Take a recipe, what differs from the committed params.yaml, for the next run."""

import subprocess
from pathlib import Path

from pipeline.base.files import write_text
from pipeline.errors import ParamsError
from pipeline.params.merging import made_by, merge
from pipeline.params.sources import expect_source
from pipeline.params.whole import Params, parse_params, values_of

_COMMITTED = "params.yaml as committed"


def use_recipe(name: str, root: Path) -> None:
    """Lay `recipes/<name>.yaml` onto the committed `params.yaml`, as the one below `root`.

    Raises:
        ParamsError: there is no such recipe, it has faults, its radiographs are not there,
            nothing is committed that it could differ from, or `params.yaml` has changes that
            neither git nor a recipe keeps.
    """
    recipes = recipes_of(root)
    if name not in recipes:
        raise ParamsError(f"no recipe {name!r}; there are: {', '.join(recipes)}")
    base = committed_params(root)
    _expect_no_result(base)
    text, params = merged(base, recipes[name])
    try:
        expect_source(params.ingest.source, root)
    except ParamsError as error:
        raise ParamsError(f"recipe {name!r}: {error}") from None
    place = root / "params.yaml"
    if place.exists() and not _is_kept(place.read_text(encoding="utf-8"), base, recipes):
        raise ParamsError(
            f"params.yaml has changes of your own, which recipe {name!r} would replace; commit "
            "them, or drop them: git checkout params.yaml"
        )
    write_text(text, place)


def recipes_of(root: Path) -> dict[str, Path]:
    """The files in `recipes/`, by name."""
    return {path.stem: path for path in sorted((root / "recipes").glob("*.yaml"))}


def merged(base: str, recipe: Path) -> tuple[str, Params]:
    """A recipe laid onto the text of a params file, and what that says.

    Raises:
        ParamsError: one of them has faults, or they do not go together.
    """
    parse_params(values_of(base, name=_COMMITTED), name=_COMMITTED)
    file = f"{recipe.parent.name}/{recipe.name}"
    text = merge(base, recipe.read_text(encoding="utf-8"), name=recipe.stem, file=file)
    return text, parse_params(values_of(text, name=file), name=file)


def committed_params(root: Path) -> str:
    """The text of `params.yaml` in git's last commit.

    Raises:
        ParamsError: there is none.
    """
    command = ["git", "show", "HEAD:./params.yaml"]
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, encoding="utf-8", check=False
        )
    except FileNotFoundError:
        raise ParamsError(
            "git is not installed, and recipes differ from the params.yaml that it keeps; "
            "install it, and clone this project"
        ) from None
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["git show says nothing"]
        raise ParamsError(
            "no params.yaml is committed here, and recipes are what differs from it "
            f"({reason[0]}); use a clone of this project; or, where an archive was unpacked, "
            "commit that first: git init && git add -A && git commit -m unpacked"
        )
    return done.stdout


def _expect_no_result(base: str) -> None:
    """Recipes differ from the demo: on top of another recipe they would mean something else."""
    name = made_by(base)
    if name is not None:
        raise ParamsError(
            f"{_COMMITTED} is made by the recipe {name!r}, and recipes differ from "
            "the one before; bring that back (git log params.yaml names commits, git checkout "
            "<commit> params.yaml takes it from one), and commit it"
        )


def _is_kept(text: str, base: str, recipes: dict[str, Path]) -> bool:
    """Whether a params file is the committed one, or what a recipe makes of that."""
    recipe = recipes.get(made_by(text) or "")
    return text == base or (recipe is not None and text == merged(base, recipe)[0])
