"""Command `python -m benchmarks`: tables on the screen, every ratio in a JSON file."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.attention import measure_attention
from benchmarks.evaluation import measure_evaluation
from benchmarks.machine import describe_machine
from benchmarks.measure import measure_training
from benchmarks.table import attention_table, evaluation_table, heading, training_table

Figures = dict[str, Any]

PARTS: dict[str, tuple[Callable[[list[str]], Figures], Callable[[Figures], str]]] = {
    "training": (lambda names: measure_training(names, _say), training_table),
    "attention": (lambda names: measure_attention(names, _say), attention_table),
    "evaluation": (lambda _: measure_evaluation(), evaluation_table),
}
"""What measures each, given the backbones, and what tells of it."""


def main(
    backbones: Annotated[str, typer.Option(help="Separated by commas.")] = "densenet121,resnet50",
    parts: Annotated[str, typer.Option(help="Separated by commas.")] = ",".join(PARTS),
    out: Annotated[Path, typer.Option(help="JSON with every ratio.")] = Path("bench.json"),
) -> None:
    """Measure training, heatmaps and evaluation, beside the least they cost and the usual way.

    A part is printed and kept as soon as it is done, whatever becomes of the next.
    """
    chosen = parts.split(",")
    if unknown := set(chosen) - set(PARTS):
        raise typer.BadParameter(f"--parts {', '.join(sorted(unknown))}: say {', '.join(PARTS)}")
    machine = describe_machine()
    figures: Figures = {"machine": machine}
    typer.echo(heading(machine))
    for part in chosen:
        measure, told = PARTS[part]
        found = measure(backbones.split(","))
        figures |= found
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        typer.echo(f"\n{told(found)}")


def _say(words: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')} {words}", err=True)


if __name__ == "__main__":
    typer.run(main)
