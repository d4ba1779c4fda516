"""Stage `report`: the page."""

from pathlib import Path

from pipeline import tracking
from pipeline.artifacts import members, tables
from pipeline.artifacts.evaluations import read_evaluation
from pipeline.artifacts.files import write_text
from pipeline.artifacts.heatmaps import read_heatmaps
from pipeline.artifacts.metrics import read_metrics
from pipeline.artifacts.shards import Shards
from pipeline.params.whole import load_params
from pipeline.results.headline import headline, over_findings
from pipeline.results.pictures import Radiographs
from pipeline.results.report import Figures, render_report
from stages.options import Dep, Out, ParamsFile, run


def main(
    systems: Dep,
    evaluation: Dep,
    localisation: Dep,
    methods: Dep,
    split_counts: Dep,
    ensemble: Dep,
    images: Dep,
    index: Dep,
    boxes: Dep,
    heatmaps: Dep,
    crops: Dep,
    splits: Dep,
    curves: Dep,
    reconstructions: Dep,
    out: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write one self-contained HTML page."""
    cfg = load_params(params)
    figures = Figures(
        systems=read_metrics(systems),
        evaluation=read_evaluation(evaluation),
        localisation=tables.read_localisation(localisation),
        split_counts=read_metrics(split_counts),
        curves=members.read_member_curves(curves, cfg.ensemble.members),
        pretraining=members.read_member_pretraining(reconstructions, cfg.ensemble.members),
    )
    radiographs = Radiographs(
        images=Shards(images),
        index=tables.read_index(index),
        predictions=tables.read_predictions(ensemble),
        boxes=tables.read_boxes(boxes),
        crops=tables.read_crop_boxes(crops),
        heatmaps=read_heatmaps(heatmaps),
    )
    page = render_report(
        figures,
        radiographs,
        tables.read_splits(splits),
        member=heatmaps.name,
        examples=cfg.report.examples,
        threshold=cfg.iou.threshold,
        sensitivity=cfg.evaluate.sensitivity,
    )
    write_text(page, out)
    # As evaluate and iou log them when they run: here for a run in which DVC skipped them.
    found = read_metrics(methods)
    tracking.log_metrics(headline(figures.systems, found))
    tracking.log_metrics(figures.systems, group="systems")
    tracking.log_metrics(over_findings(found), group="methods")
    tracking.log_artifact(out)


if __name__ == "__main__":
    run(main)
