"""Command `plots`: the plots of experiments over each other, on one page."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.checkout import enter_checkout
from pipeline.experiments.plot_page import draw_plots

Folder = Annotated[
    Path | None,
    typer.Option(
        help="Where the page is written.",
        resolve_path=True,
        show_default="the checkout's report/plots",
    ),
]


def main(
    revisions: Annotated[
        list[str],
        typer.Argument(
            help="Experiments or commits; this run without any.",
            default_factory=list,
            show_default=False,
        ),
    ],
    folder: Folder = None,
) -> None:
    """Write the page, which needs no network, and say where it is."""
    enter_checkout()
    page = draw_plots(revisions, folder or Path("report/plots"))
    typer.echo(page.resolve().as_uri())
