"""Command `summary`: a small table of what was reached, and where to look next."""

from pathlib import Path

import typer

from pipeline.base.files import read_json
from pipeline.commands.checkout import enter_checkout
from pipeline.results.terminal.summary import summarise
from pipeline.tracking.address import given, shown


def main() -> None:
    """Print the last run's results."""
    enter_checkout()
    systems, methods = Path("metrics/systems.json"), Path("metrics/methods.json")
    typer.echo(summarise(read_json(systems), read_json(methods), runs=shown(given()[0])))
