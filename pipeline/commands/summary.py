"""Command `summary`: a small table of what was reached, and where to look next."""

from pathlib import Path

import typer

from pipeline.base.files import read_json
from pipeline.results.terminal.summary import summarise
from pipeline.tracking.address import given, shown
from stages.options import run


def main(
    systems: Path = Path("metrics/systems.json"), methods: Path = Path("metrics/methods.json")
) -> None:
    """Print the last run's results."""
    typer.echo(summarise(read_json(systems), read_json(methods), runs=shown(given()[0])))


if __name__ == "__main__":
    run(main, tracked=False)
