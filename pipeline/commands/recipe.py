"""Command `recipe`: use another complete params file."""

from typing import Annotated

import typer

from pipeline.commands.checkout import enter_checkout
from pipeline.params.recipes import use_recipe

Name = Annotated[str, typer.Argument(help="Of the file in recipes/, without .yaml.")]


def main(name: Name) -> None:
    """Copy `recipes/<name>.yaml` to `params.yaml`, unless that has changes of your own."""
    use_recipe(name, enter_checkout())
