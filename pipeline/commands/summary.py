"""Command `summary`: what was reached in a screenful, and what to do next."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import read_json
from pipeline.commands.checkout import enter_checkout
from pipeline.results.terminal.last_screen import last_screen
from pipeline.results.terminal.summary import summarise
from pipeline.tracking.address import given, shown
from pipeline.tracking.origin import git_says

RESULTS = ("dvc.lock", "metrics", "plots")
"""What git keeps of a run."""

All = Annotated[bool, typer.Option("--all", help="Every system and every heatmap of `model`.")]


def main(everything: All = False) -> None:
    """Print what the last run reached, and what to do next."""
    enter_checkout()
    systems, methods = (read_json(Path(f"metrics/{name}.json")) for name in ("systems", "methods"))
    if everything:
        typer.echo(summarise(systems, methods, runs=shown(given()[0])))
    else:
        changed = git_says("diff", "--name-only", "--relative", "HEAD", "--", *RESULTS)
        typer.echo(last_screen(systems, methods, changed.splitlines()))
