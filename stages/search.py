"""Command `search`: other params tried with Ray Tune, and the best of them."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline import tracking
from pipeline.search.run import prepare_search, run_search
from stages.options import run

Spec = Annotated[Path, typer.Option(help="What is tried, how often, how many at a time.")]
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
    spec: Spec = Path("search.yaml"),
    name: Name = None,
    address: Address = None,
    fresh: Fresh = False,
) -> None:
    """Train trials of other params; print the command that runs the pipeline with the best ones.

    Called again after it was stopped, it goes on.
    """
    search = prepare_search(spec, tracking.checkout(), name=name, fresh=fresh)
    typer.echo(run_search(search, address=address))


if __name__ == "__main__":
    run(main, tracked=False)
