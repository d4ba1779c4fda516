"""Command `plots`: the plots of experiments over each other, on one page."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.experiments.plot_page import draw_plots
from stages.options import run


def main(
    revisions: Annotated[
        list[str],
        typer.Argument(
            help="Experiments or commits; this run without any.",
            default_factory=list,
            show_default=False,
        ),
    ],
    folder: Path = Path("report/plots"),
) -> None:
    """Write the page, which needs no network, and say where it is."""
    typer.echo(draw_plots(revisions, folder).resolve().as_uri())


if __name__ == "__main__":
    run(main, tracked=False)
