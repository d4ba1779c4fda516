"""Command `suspects`: labels that out-of-sample probabilities contradict, to be judged."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import pandas as pd
import typer

from pipeline.attention.crop import BoxRule
from pipeline.attention.heatmaps import read_heatmaps
from pipeline.base.files import replacing, write_text
from pipeline.base.shards import Shards, expect_rows
from pipeline.base.tables import read_boxes, read_index, read_splits
from pipeline.cohort.reading.cohort_source import read_text_file
from pipeline.cohort.reading.nih import parse_entries
from pipeline.commands.checkout import enter_checkout
from pipeline.errors import PipelineError
from pipeline.params.whole import load_params
from pipeline.results.given_boxes.box_files import expect_finding
from pipeline.results.pictures.shown import of_findings
from pipeline.results.statistics.metric_files import read_metrics, write_plot
from pipeline.results.suspects.judged_images import JudgedImages, is_file, of_file, of_system
from pipeline.results.suspects.label_scores import SCORES
from pipeline.results.suspects.ranking import Ranking, rank_labels
from pipeline.results.suspects.suspect_page import MEANINGS, render_suspects, suspects_of
from pipeline.results.suspects.suspect_pictures import (
    Heatmaps,
    Radiograph,
    cached_radiographs,
    draw_suspect,
    drawing_member,
    loose_radiographs,
)
from pipeline.results.terminal.suspect_lines import suspect_lines

What = Annotated[
    str,
    typer.Argument(
        help="Whose probabilities: a system of the run (ensemble, model.fusion, ...), of its "
        "validation and test images; or a file of predictions, csv or parquet."
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(help="NIH's Data_Entry_2017_v2020.csv: for a file, in place of a checkout."),
]
Images = Annotated[
    Path | None, typer.Option(help="Beside --labels: folder of radiographs, to be shown.")
]
OutOfFold = Annotated[
    bool,
    typer.Option(
        "--out-of-fold",
        help="Of a file: its training images, too, were predicted by networks that had learnt "
        "from other patients alone.",
    ),
]
Score = Annotated[Literal["odds", "margin", "confidence"], typer.Option(help="What ranks labels.")]
Finding = Annotated[list[str] | None, typer.Option(help="Show this one alone; several times.")]
Side = Annotated[
    Literal["given", "missing"] | None,
    typer.Option(help="Show labels that are given, or those that may be missing."),
]
Top = Annotated[int, typer.Option(min=1, max=2000, help="How many are shown.")]
Columns = Annotated[
    str | None, typer.Option(help="Which columns are meant: 'prob_*' with * for the finding.")
]
OutFolder = Annotated[
    Path | None,
    typer.Option(show_default="the checkout's report/suspects; beside --labels suspects"),
]

CALIBRATED = Path("data/calibrated")
_IN_TERMINAL = 10
_SIDES = {"given": "given", "missing": "not given"}


class _Cohort(NamedTuple):
    """Labels, the images that are judged, and what can be shown of them."""

    images: pd.DataFrame
    judged: JudgedImages
    radiograph: Radiograph
    heatmaps: Heatmaps | None
    boxes: pd.DataFrame | None


def main(
    what: What = "ensemble",
    labels: Labels = None,
    images: Images = None,
    out_of_fold: OutOfFold = False,
    score: Score = "odds",
    finding: Finding = None,
    label: Side = None,
    top: Top = 100,
    columns: Columns = None,
    out: OutFolder = None,
) -> None:
    """Rank labels by how doubtful they are, as a table and as a page with radiographs."""
    out = None if out is None else out.resolve()
    chosen = [expect_finding(one, "--finding") for one in finding or []]
    if labels is None:
        cohort = _of_checkout(what, images, out_of_fold=out_of_fold, columns=columns)
    else:
        cohort = _of_labels(what, labels, images, out_of_fold=out_of_fold, columns=columns)
    ranking = rank_labels(cohort.judged.predictions, cohort.images, SCORES[score])
    shown = _chosen(ranking.labels, chosen, label).head(top)
    folder = out or Path("suspects" if labels else "report/suspects")
    only = [*chosen, *([f"labels that are {_SIDES[label]}"] if label else [])]
    _write(ranking, shown, cohort, score, only, folder)
    typer.echo("\n".join(_said(ranking, shown, cohort, score, folder)))


def _of_checkout(
    what: str, images: Path | None, *, out_of_fold: bool, columns: str | None
) -> _Cohort:
    given = Path(what).resolve()
    from_file = is_file(what)
    enter_checkout()
    if images is not None:
        raise PipelineError(
            "--images is of --labels: a checkout shows the radiographs of its own cache; leave it "
            "out, or give --labels too"
        )
    index = read_index(Path("data/cache/index.parquet"))
    if from_file:
        splits = read_splits(Path("data/splits.parquet"))
        judged = of_file(given, index, splits, out_of_fold=out_of_fold, columns=columns)
    else:
        _expect_none(what, out_of_fold=out_of_fold, columns=columns)
        judged = of_system(what, CALIBRATED)
    cache = Path("data/cache/images")
    radiograph = cached_radiographs(Shards(cache), index) if cache.is_dir() else _none
    boxes = read_boxes(Path("data/cache/boxes.parquet"))
    return _Cohort(index, judged, radiograph, _heatmaps("" if from_file else what, index), boxes)


def _expect_none(system: str, *, out_of_fold: bool, columns: str | None) -> None:
    """Refuse options that a system of the run has no use for."""
    if out_of_fold or columns:
        raise PipelineError(
            f"{system} is a system of the run, which predicts validation and test images alone; "
            f"{'--out-of-fold' if out_of_fold else '--columns'} is of a file: leave it out"
        )


def _of_labels(
    what: str, labels: Path, images: Path | None, *, out_of_fold: bool, columns: str | None
) -> _Cohort:
    if not is_file(what):
        raise PipelineError(
            f"{what}: no such file; beside --labels expected a file of predictions, csv or parquet"
        )
    entries = parse_entries(read_text_file(labels)).table
    judged = of_file(Path(what), entries, None, out_of_fold=out_of_fold, columns=columns)
    radiograph = _none if images is None else loose_radiographs(images)
    return _Cohort(entries, judged, radiograph, None, None)


def _none(_name: str) -> None:
    """No radiograph."""


def _heatmaps(system: str, index: pd.DataFrame) -> Heatmaps | None:
    """Of a member that this run has, where its heatmaps are there."""
    systems = Path("metrics/systems.json")
    member = drawing_member(system, read_metrics(systems) if systems.exists() else {})
    folder = Path("data/heatmaps", member)
    if not folder.is_dir():
        return None
    found = read_heatmaps(folder)
    method = of_findings(found)
    expect_rows(len(found[method]), index, of=f"{folder}, {method}")
    rows = {str(name): row for row, name in enumerate(index["image_index"])}
    cfg = load_params(Path("params.yaml")).iou
    return Heatmaps(
        f"{member}'s {method}", found[method], rows, BoxRule(cfg.threshold, cfg.region)
    )


def _chosen(labels: pd.DataFrame, findings: list[str], label: str | None) -> pd.DataFrame:
    if findings:
        labels = labels[labels["finding"].isin(findings)]
    if label is not None:
        labels = labels[labels["labelled"] == (label == "given")]
    return labels


def _write(
    ranking: Ranking,
    shown: pd.DataFrame,
    cohort: _Cohort,
    score: str,
    only: list[str],
    folder: Path,
) -> None:
    pictures = [
        draw_suspect(name, finding, cohort.radiograph, cohort.heatmaps, cohort.boxes)
        for name, finding in zip(shown["image_index"], shown["finding"], strict=True)
    ]
    suspects = suspects_of(shown, cohort.judged.predictions, cohort.images, pictures)
    heatmap = None if cohort.heatmaps is None else cohort.heatmaps.name
    page = render_suspects(
        suspects, ranking, score=score, read=cohort.judged.read, only=only, heatmap=heatmap
    )
    write_text(page, folder / "index.html")
    write_plot(shown, folder / "suspects.csv")
    with replacing(folder / "ranking.parquet") as fresh:
        ranking.labels.to_parquet(fresh, index=False)


def _said(
    ranking: Ranking, shown: pd.DataFrame, cohort: _Cohort, score: str, folder: Path
) -> list[str]:
    given = int(ranking.labels["labelled"].sum())
    return [
        cohort.judged.read,
        f"{len(ranking.labels):,} labels, {given:,} of them given; score: {MEANINGS[score][0]}",
        *(f"not judged: {one}" for one in ranking.left_out),
        "",
        suspect_lines(shown.head(_IN_TERMINAL)),
        "",
        f"{folder / 'index.html'}: {len(shown):,} of them, for a reader to judge",
        f"{folder / 'suspects.csv'}: the same as a table",
        f"{folder / 'ranking.parquet'}: all labels",
    ]
