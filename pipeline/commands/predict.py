"""Command `predict`: a trained model on anybody's radiographs."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from pipeline.cohort.reading.tags import Tags
from pipeline.commands.model import local_model
from pipeline.errors import PipelineError
from pipeline.predict.many.given_files import find_sources
from pipeline.predict.many.spoken import IN_FULL, LEGEND, spoken
from pipeline.predict.many.stream import Answer, predict_files
from pipeline.predict.many.writing import ENDINGS, WRITERS, Pictures, Write, written
from pipeline.predict.model import Model, load_model
from pipeline.predict.radiograph import stated
from pipeline.tracking import progress

SOME_FAILED = 3
"""Exit status where some radiographs were predicted and others could not be read."""

Images = Annotated[
    list[str],
    typer.Argument(help="PNG, JPEG and DICOM files, folders, patterns, a csv of paths.",
                   show_default=False),
]  # fmt: skip
ModelOption = Annotated[
    Path, typer.Option("--model", help="A packaged model's folder, or models:/<name>/<version>.")
]
OutFolder = Annotated[Path | None, typer.Option(help="Folder for the answers, and for pictures.")]
Format = Annotated[
    Literal["table", "json", "csv", "parquet"] | None,
    typer.Option("--format", help="table without --out, csv with it; json: an object a line."),
]
Overlay = Annotated[bool, typer.Option("--overlay", help="Write a picture of each, too.")]
Age = Annotated[str | None, typer.Option(help="Years, of patients of whom a csv says nothing.")]
Gender = Annotated[str | None, typer.Option(help="M or F, in the same way.")]
View = Annotated[str | None, typer.Option(help="PA or AP, in the same way.")]
Lateral = Annotated[bool, typer.Option("--lateral", help="Take DICOM files of lateral views too.")]


def main(
    images: Images,
    model: ModelOption = Path("data/models"),
    out: OutFolder = None,
    format_: Format = None,
    overlay: Overlay = False,
    age: Age = None,
    gender: Gender = None,
    view: View = None,
    lateral: Lateral = False,
) -> None:
    """Findings of chest radiographs, with heatmaps. Exit: 0 all predicted, 3 some, 1 none."""
    _expect_place(out, format_, overlay=overlay)
    said = _stated(age, gender, view)
    sources = find_sources(images)
    loaded = load_model(local_model(model))
    predicted = 0
    with ExitStack() as stack:
        writes = list(_writes(stack, loaded, len(sources), out, format_, overlay=overlay))
        shown = stack.enter_context(progress(total=len(sources), unit="images", label="predict"))
        for answer in predict_files(loaded, sources, said, lateral=lateral):
            for write in writes:
                write(answer)
            predicted += answer.prediction is not None
            shown()
    _end(predicted, len(sources), out)


def _expect_place(out: Path | None, kind: str | None, *, overlay: bool) -> None:
    for wish, named in ((overlay, "--overlay"), (kind == "parquet", "--format parquet")):
        if wish and out is None:
            raise PipelineError(f"{named} writes files; name their folder with --out")


def _stated(age: str | None, gender: str | None, view: str | None) -> Tags:
    try:
        return stated(age, gender, view)
    except ValueError as error:
        raise PipelineError(f"--{error}") from None


def _writes(
    stack: ExitStack,
    model: Model,
    number: int,
    out: Path | None,
    kind: str | None,
    *,
    overlay: bool,
) -> Iterator[Write]:
    """What is to be done with each answer."""
    members = list(model.about.members)
    if out is not None and kind != "table":
        path = out / f"predictions.{ENDINGS[kind or 'csv']}"
        yield stack.enter_context(written(path, kind or "csv", members))
    elif kind in WRITERS:
        yield stack.enter_context(WRITERS[kind](cast(BufferedIOBase, sys.stdout.buffer), members))
    if kind == "table" or (kind is None and (out is None or number <= IN_FULL)):
        yield partial(_say, in_full=number <= IN_FULL)
    else:
        yield _say_fault
    if overlay and out is not None:
        yield Pictures(out).write


def _say(answer: Answer, *, in_full: bool) -> None:
    typer.echo(spoken(answer, in_full=in_full), err=answer.prediction is None)


def _say_fault(answer: Answer) -> None:
    if answer.prediction is None:
        typer.echo(spoken(answer, in_full=False), err=True)


def _end(predicted: int, number: int, out: Path | None) -> None:
    lines = [LEGEND]
    if out is not None:
        lines.append(f"{out}: answers to {predicted:,} of {number:,} files")
    typer.echo("\n".join(lines), err=True)
    if predicted == 0:
        raise PipelineError(f"none of {number:,} files could be predicted; the reasons are above")
    if predicted < number:
        typer.echo(f"{number - predicted:,} of {number:,} files could not be predicted", err=True)
        raise typer.Exit(SOME_FAILED)
