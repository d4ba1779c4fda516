"""Command `external`: a trained model on a cohort that it has nothing of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.base.files import write_text
from pipeline.base.seeds import derive_seed
from pipeline.base.tables import write_predictions
from pipeline.base.watching import Look
from pipeline.commands.model import local_model
from pipeline.errors import CohortError
from pipeline.external.external_cohort import reading_cohort
from pipeline.external.external_page import render_external
from pipeline.external.external_predictions import predict_cohort
from pipeline.external.transfer import judge_transfer
from pipeline.external.transfer_lines import transfer_lines
from pipeline.external.transfer_words import transfer_verdict
from pipeline.params.given_columns import columns_given
from pipeline.params.sections import EvaluateParams, IngestParams
from pipeline.predict.about.familiarity import FALSE_ALARMS
from pipeline.predict.model import load_model
from pipeline.results.evaluation.standalone import frames_of
from pipeline.results.statistics.metric_files import write_all
from pipeline.tracking import progress

Folder = Annotated[
    Path,
    typer.Argument(help="Of the cohort: radiographs and their table.", show_default=False),
]
ModelOption = Annotated[
    Path, typer.Option("--model", help="A packaged model's folder, or models:/<name>/<version>.")
]
ColumnsOption = Annotated[
    str,
    typer.Option(
        "--columns",
        help="The table's layout: nih, chexpert, padchest, vindr, rsna, rsna_classes, or a YAML "
        "file with the keys of ingest.columns.",
    ),
]
Uncertain = Annotated[
    Literal["zeros", "ones", "ignore"], typer.Option(help="What uncertain labels (-1) become.")
]
Partial = Annotated[bool, typer.Option("--partial", help="Images of the table may be missing.")]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out images that cannot be decoded, and say so.")
]
Lateral = Annotated[bool, typer.Option("--lateral", help="Take DICOM files of lateral views too.")]
OutFolder = Annotated[Path, typer.Option(help="Folder of the page and of every table.")]
Replicates = Annotated[int, typer.Option(min=0, help="Of the bootstrap over patients.")]
Fewest = Annotated[int, typer.Option(min=1)]
Seed = Annotated[int, typer.Option(min=0)]

OPTIONS = {
    "set ingest.partial: true to": "say --partial to",
    "ingest.on_bad_image: skip": "--skip-bad",
    "ingest.lateral: true": "--lateral",
    "ingest.source": "the folder",
    "ingest.columns.tables": "the file of --columns (tables)",
    "ingest.columns.findings": "the file of --columns (findings)",
    "ingest.columns": "--columns",
}
"""What this command calls params of `ingest`."""


def main(
    folder: Folder,
    model: ModelOption = Path("data/models"),
    columns: ColumnsOption = "nih",
    uncertain: Uncertain = "ignore",
    partial: Partial = False,
    skip_bad: SkipBad = False,
    lateral: Lateral = False,
    out: OutFolder = Path("external"),
    bootstrap: Replicates = 1000,
    min_cell: Fewest = 10,
    min_patients: Fewest = 10,
    seed: Seed = 7,
) -> None:
    """External validation: AUROC, calls and calibration beside the model's own, as a page."""
    loaded = load_model(local_model(model))
    params = IngestParams(
        source=str(folder),
        columns=columns_given(columns),
        uncertain=uncertain,
        image_size=loaded.about.image_side,
        partial=partial,
        on_bad_image="skip" if skip_bad else "fail",
        lateral=lateral,
        box_frame="auto",
        workers=0,
    )
    judging = EvaluateParams(
        bootstrap=bootstrap,
        calibration="platt",
        sensitivity=0.9,
        min_cell=min_cell,
        min_patients=min_patients,
    )
    with _in_options(), reading_cohort(params, _shown("read")) as cohort:
        said = predict_cohort(loaded, cohort, _shown("predict")(len(cohort.index)))
    transfer = judge_transfer(
        loaded.about, cohort.index, said, judging, seed=derive_seed(seed, "external")
    )
    verdict = transfer_verdict(transfer, unlike=said.unlike, expected=FALSE_ALARMS)
    page = render_external(
        loaded.about, cohort, said, transfer,
        folder=str(folder), model=str(model), verdict=verdict,
    )  # fmt: skip
    write_text(page, out / "index.html")
    write_predictions(said.raw, out / "predictions.parquet")
    frames = frames_of(transfer.evaluation) | {"transfer": transfer.table}
    write_all(transfer.evaluation.metrics | {"verdict": verdict}, frames, out)
    page_line = f"{out / 'index.html'}: the same as a page"
    typer.echo("\n".join([transfer_lines(transfer), "", *verdict, "", page_line]))


@contextmanager
def _in_options() -> Iterator[None]:
    """Name this command's options where `ingest` names its params."""
    try:
        yield
    except CohortError as error:
        said = str(error)
        for param, option in OPTIONS.items():
            said = said.replace(param, option)
        raise CohortError(said) from None


def _shown(label: str) -> Callable[[int], Look]:
    return lambda total: progress(total=total, unit="images", label=label)
