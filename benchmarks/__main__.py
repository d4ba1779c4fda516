"""Command `python -m benchmarks`: the table on the screen, everything in a JSON file."""

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.machine import describe_machine
from benchmarks.measure import measure
from benchmarks.table import table


def main(
    backbones: Annotated[str, typer.Option(help="Separated by commas.")] = "densenet121,resnet50",
    out: Annotated[Path, typer.Option(help="JSON with every ratio.")] = Path("bench.json"),
) -> None:
    """Measure training against the bare step and against a conventional loader."""
    machine = describe_machine()
    figures = measure(backbones.split(","), lambda words: typer.echo(words, err=True))
    out.write_text(json.dumps({"machine": machine, **figures}, indent=2) + "\n", encoding="utf-8")
    typer.echo(table(machine, figures))


if __name__ == "__main__":
    typer.run(main)
