"""Take a recipe, a complete params file, as the params of the next run."""

import subprocess
from pathlib import Path

from pipeline.base.files import read_yaml, write_text
from pipeline.errors import ParamsError
from pipeline.params.sources import expect_source
from pipeline.params.whole import load_params


def use_recipe(name: str, root: Path) -> None:
    """Copy `recipes/<name>.yaml` to `params.yaml`, both below `root`.

    Raises:
        ParamsError: there is no such recipe, it has faults, its radiographs are not there, or
            `params.yaml` has changes that neither git nor a recipe keeps.
    """
    recipes, searches = kinds_of_recipes(root / "recipes")
    if name in searches:
        raise ParamsError(
            f"recipe {name!r} is of a search, no params file: cxr search --recipe "
            f"recipes/{name}.yaml tries what it proposes (make search R={name})"
        )
    if name not in recipes:
        raise ParamsError(f"no recipe {name!r}; there are: {', '.join(recipes)}")
    try:
        expect_source(load_params(recipes[name]).ingest.source, root)
    except ParamsError as error:
        raise ParamsError(f"recipe {name!r}: {error}") from None
    params = root / "params.yaml"
    kept = {_committed(root), *(path.read_text(encoding="utf-8") for path in recipes.values())}
    if params.exists() and params.read_text(encoding="utf-8") not in kept:
        raise ParamsError(
            f"params.yaml has changes of your own, which recipe {name!r} would replace; commit "
            "them, or drop them: git checkout params.yaml"
        )
    write_text(recipes[name].read_text(encoding="utf-8"), params)


def kinds_of_recipes(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Complete params files, and search spaces over them, which have a `space`; by name."""
    every = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    searches = {name: path for name, path in every.items() if "space" in (read_yaml(path) or {})}
    return {name: path for name, path in every.items() if name not in searches}, searches


def _committed(root: Path) -> str:
    command = ["git", "show", "HEAD:./params.yaml"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout
