"""Command `score`: anybody's predictions, evaluated as the pipeline evaluates its own."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cohort.reading.columns.given_labels import read_labels
from pipeline.params.given_columns import columns_given
from pipeline.params.sections import EvaluateParams
from pipeline.results.evaluation.files.prediction_files import read_prediction_files
from pipeline.results.evaluation.standalone import evaluate_given, frames_of, only_test
from pipeline.results.statistics.metric_files import write_all
from pipeline.results.terminal.scorecard import scorecard

Predictions = Annotated[
    Path,
    typer.Argument(help="csv or parquet: a column with the image's name, one for each finding."),
]
Labels = Annotated[
    Path, typer.Option(help="NIH's Data_Entry_2017_v2020.csv, or what --layout says.")
]
Layout = Annotated[
    str,
    typer.Option(
        help="Of the labels: nih, chexpert, padchest, vindr, rsna, rsna_classes, or a YAML file "
        "with the keys of ingest.columns."
    ),
]
Uncertain = Annotated[
    Literal["zeros", "ones", "ignore"], typer.Option(help="What uncertain labels (-1) become.")
]
Against = Annotated[list[Path] | None, typer.Option(help="Predictions to compare with.")]
Validation = Annotated[
    Path | None,
    typer.Option(help="The same model's on validation images, for calibration and thresholds."),
]
Columns = Annotated[
    str | None, typer.Option(help="Which columns are meant: 'prob_*' with * for the finding.")
]
OutFolder = Annotated[Path | None, typer.Option(help="Folder for every table, as csv and JSON.")]


Replicates = Annotated[int, typer.Option(min=0, help="Of the bootstrap over patients.")]
Method = Literal["platt", "temperature"]
Share = Annotated[float, typer.Option(min=0.01, max=1, help="Least, of thresholds that fix it.")]
Fewest = Annotated[int, typer.Option(min=1)]
Seed = Annotated[int, typer.Option(min=0)]


def main(
    predictions: Predictions,
    labels: Labels,
    layout: Layout = "nih",
    uncertain: Uncertain = "ignore",
    against: Against = None,
    validation: Validation = None,
    columns: Columns = None,
    out: OutFolder = None,
    bootstrap: Replicates = 1000,
    calibration: Method = "platt",
    sensitivity: Share = 0.9,
    min_cell: Fewest = 10,
    min_patients: Fewest = 10,
    seed: Seed = 7,
) -> None:
    """AUROC, AUPRC, intervals, floors, differences, calibration, thresholds and subgroups."""
    params = EvaluateParams(
        bootstrap=bootstrap,
        calibration=calibration,
        sensitivity=sensitivity,
        min_cell=min_cell,
        min_patients=min_patients,
    )
    told = columns_given(layout, option="--layout")
    known = read_labels(labels, told, uncertain=uncertain)
    systems, read = read_prediction_files(
        [predictions, *(against or [])], validation, affix=columns, parts=known.parts
    )
    evaluation = evaluate_given(systems, known.entries, params, seed=seed)
    subject = next(iter(systems))
    card = scorecard(evaluation, subject, only_test(systems[subject])["image_index"])
    typer.echo("\n".join([*read, "", card]))
    write_all(evaluation.metrics | {"read": read}, frames_of(evaluation), out)
