"""Command `score-boxes`: anybody's boxes or heatmaps, judged as the stage `iou` judges a run's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.attention.crop import BoxRule
from pipeline.base.seeds import derive_seed
from pipeline.cohort.reading.cohort_source import read_text_file
from pipeline.cohort.reading.nih import parse_entries
from pipeline.errors import PipelineError
from pipeline.params.names import RegionRule, Threshold
from pipeline.results.given_boxes.box_judging import detect_in_files, judge_boxes
from pipeline.results.given_boxes.given_cases import read_cases
from pipeline.results.given_boxes.given_frames import NIH_FRAME, frame_told
from pipeline.results.given_boxes.map_files import holds_maps
from pipeline.results.statistics.metric_files import write_all
from pipeline.results.terminal.boxcard import boxcard

Predicted = Annotated[
    Path,
    typer.Argument(
        help="csv or parquet: image, finding, x, y, w, h (or x1, y1, x2, y2), a row for each box; "
        "or heatmaps: a folder of <image>_<finding>.npy or <image>.npz by finding, or a .npz file "
        "with keys <image>_<finding>. Of several "
        "boxes of a finding on an image one counts: that of the highest score, the first where "
        "there is no column score. A case without a box is a miss."
    ),
]
TrueBoxes = Annotated[Path, typer.Option(help="The radiologists': NIH's BBox_List_2017.csv.")]
Labels = Annotated[Path, typer.Option(help="NIH's Data_Entry_2017_v2020.csv.")]
Against = Annotated[
    list[Path] | None, typer.Option(help="Boxes or heatmaps to compare with; several times.")
]
Size = Annotated[
    str | None,
    typer.Option(
        help="What boxes are drawn on: side of a square in pixels, or fractions; as --boxes "
        "unless told."
    ),
]
TrueSize = Annotated[str, typer.Option(help="The same of --boxes.")]
Cut = Annotated[
    str | None,
    typer.Option(help="Of heatmaps: share of the maximum, in [0, 1), or otsu; 0.7 unless told."),
]
Part = Annotated[
    RegionRule | None,
    typer.Option(help="Of heatmaps: which part above it is the box; peak unless told."),
]
OutFolder = Annotated[Path | None, typer.Option(help="Folder for every table, as csv and JSON.")]
Replicates = Annotated[int, typer.Option(min=0, help="Of the bootstrap over patients.")]
Seed = Annotated[int, typer.Option(min=0)]

AG_CNN = "0.7"
"""Its threshold, which params.yaml has, too."""


def main(
    predicted: Predicted,
    boxes: TrueBoxes,
    labels: Labels,
    against: Against = None,
    size: Size = None,
    boxes_size: TrueSize = NIH_FRAME,
    threshold: Cut = None,
    region: Part = None,
    out: OutFolder = None,
    bootstrap: Replicates = 1000,
    seed: Seed = 7,
) -> None:
    """IoU, T(IoU), T(IoBB), pointing and intervals, beside boxes that see no image."""
    paths = [predicted, *(against or [])]
    _expect_used(paths, size, threshold, region)
    true_frame = frame_told(boxes_size, "--boxes-size")
    frame = frame_told(size or boxes_size, "--size")
    rule = BoxRule(_threshold(threshold or AG_CNN), region or "peak")
    images = parse_entries(read_text_file(labels)).table
    cases, read = read_cases(boxes, images, true_frame)
    files = detect_in_files(paths, cases, images, frame, rule)
    seed = derive_seed(seed, "iou")  # as the stage: with the same seed its very intervals
    judged = judge_boxes(files, cases, rule, replicates=bootstrap, seed=seed)
    metrics = judged.metrics
    read += [line for one in files.values() for line in one.read]
    typer.echo("\n".join([*read, "", boxcard(judged.localisation, metrics, next(iter(files)))]))
    write_all(metrics | {"read": read}, judged.frames, out)


def _expect_used(
    paths: Sequence[Path], size: str | None, threshold: str | None, region: str | None
) -> None:
    """Refuse an option that nothing given would ask for."""
    of_maps = [holds_maps(path) for path in paths]
    if not any(of_maps) and (threshold or region):
        raise PipelineError(
            "--threshold and --region make boxes of heatmaps; none of the paths is a folder of "
            "heatmaps or a .npz file: leave them out"
        )
    if all(of_maps) and size:
        raise PipelineError(
            f"--size {size} is of files of boxes, and all paths are of heatmaps, which cover the "
            "image at any size: leave it out"
        )


def _threshold(told: str) -> Threshold:
    if told == "otsu":
        return "otsu"
    try:
        threshold = float(told)
    except ValueError:
        threshold = -1.0
    if not 0 <= threshold < 1:
        raise PipelineError(f"--threshold {told}: expected a number in [0, 1), or otsu")
    return threshold
