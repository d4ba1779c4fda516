"""Command `recipe`: use a recipe, what it changes on the committed params."""

from typing import Annotated

import typer

from pipeline.commands.checkout import enter_checkout
from pipeline.params.recipes import use_recipe

Name = Annotated[str, typer.Argument(help="Of the file in recipes/, without .yaml.")]


def main(name: Name) -> None:
    """Lay `recipes/<name>.yaml` onto the committed params.yaml, unless yours has changes."""
    use_recipe(name, enter_checkout())
