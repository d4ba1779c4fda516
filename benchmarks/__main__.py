"""Command `python -m benchmarks`: the table on the screen, everything in a JSON file."""

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.attention import measure_attention
from benchmarks.evaluation import measure_evaluation
from benchmarks.machine import describe_machine
from benchmarks.measure import measure
from benchmarks.table import attention_table, evaluation_table, table


def main(
    backbones: Annotated[str, typer.Option(help="Separated by commas.")] = "densenet121,resnet50",
    out: Annotated[Path, typer.Option(help="JSON with every ratio.")] = Path("bench.json"),
) -> None:
    """Measure training, heatmaps and evaluation, beside the least they cost and the usual way."""
    machine = describe_machine()
    names = backbones.split(",")
    figures = measure(names, _say) | measure_attention(names, _say) | measure_evaluation()
    out.write_text(json.dumps({"machine": machine, **figures}, indent=2) + "\n", encoding="utf-8")
    typer.echo(
        f"{table(machine, figures)}\n\n{attention_table(figures)}\n\n{evaluation_table(figures)}"
    )


def _say(words: str) -> None:
    typer.echo(words, err=True)


if __name__ == "__main__":
    typer.run(main)
