"""Command `search`: other params tried with Ray Tune, and the best of them."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.checkout import enter_checkout
from pipeline.search.run import prepare_search, run_search

Spec = Annotated[
    Path | None,
    typer.Option(
        help="What is tried, how often, how many at a time.",
        resolve_path=True,
        show_default="the checkout's search.yaml",
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        help="Of its folder in .search/; else that of the file's name.", show_default=False
    ),
]
Address = Annotated[
    str | None,
    typer.Option(help="Of a Ray cluster, or auto; else this machine.", show_default=False),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget what a search of this name tried.")]


def main(
    spec: Spec = None,
    name: Name = None,
    address: Address = None,
    fresh: Fresh = False,
) -> None:
    """Train trials of other params; print the command that runs the pipeline with the best ones.

    Called again after it was stopped, it goes on.
    """
    root = enter_checkout()
    search = prepare_search(spec or Path("search.yaml"), root, name=name, fresh=fresh)
    typer.echo(run_search(search, address=address))
