"""Command `python -m benchmarks`: tables on the screen, every ratio in a JSON file."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from benchmarks.attention import measure_attention
from benchmarks.evaluation import measure_evaluation
from benchmarks.machine import describe_machine
from benchmarks.measure import measure_training
from benchmarks.predicting import measure_predicting
from benchmarks.reading import measure_reading
from benchmarks.table import (
    attention_table,
    evaluation_table,
    heading,
    predicting_table,
    reading_table,
    training_table,
)

Figures = dict[str, Any]


class Wanted(NamedTuple):
    """What the parts are asked for."""

    backbones: list[str]
    radiographs: Path | None
    model: Path


PARTS: dict[str, tuple[Callable[[Wanted], Figures], Callable[[Figures], str]]] = {
    "training": (lambda wanted: measure_training(wanted.backbones, _say), training_table),
    "attention": (lambda wanted: measure_attention(wanted.backbones, _say), attention_table),
    "evaluation": (lambda _: measure_evaluation(), evaluation_table),
    "reading": (lambda wanted: measure_reading(wanted.radiographs), reading_table),
    "predicting": (lambda wanted: measure_predicting(wanted.model), predicting_table),
}
"""What measures each, and what tells of it."""


def main(
    backbones: Annotated[str, typer.Option(help="Separated by commas.")] = "densenet121,resnet50",
    parts: Annotated[str, typer.Option(help="Separated by commas.")] = ",".join(PARTS),
    radiographs: Annotated[
        Path | None, typer.Option(help="Folder in NIH's layout, to read from it.")
    ] = None,
    model: Annotated[Path, typer.Option(help="Folder of a packaged model.")] = Path("data/models"),
    out: Annotated[Path, typer.Option(help="JSON with every ratio.")] = Path("bench.json"),
) -> None:
    """Measure each part beside the least that it costs and the usual way.

    A part is printed and kept as soon as it is done, whatever becomes of the next.
    """
    chosen = parts.split(",")
    if unknown := set(chosen) - set(PARTS):
        raise typer.BadParameter(f"--parts {', '.join(sorted(unknown))}: say {', '.join(PARTS)}")
    machine = describe_machine()
    wanted = Wanted(backbones.split(","), radiographs, model)
    figures: Figures = {"machine": machine}
    typer.echo(heading(machine))
    for part in chosen:
        measure, told = PARTS[part]
        found = measure(wanted)
        figures |= found
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        typer.echo(f"\n{told(found)}")


def _say(words: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')} {words}", err=True)


if __name__ == "__main__":
    typer.run(main)
