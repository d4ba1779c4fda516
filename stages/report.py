"""Stage `report`: the page."""

from pathlib import Path

from pipeline import tracking
from pipeline.artifacts import members, tables
from pipeline.artifacts.evaluations import read_evaluation
from pipeline.artifacts.files import write_text
from pipeline.artifacts.metrics import read_metrics
from pipeline.artifacts.pictures import read_gallery
from pipeline.attention.crop import BoxRule
from pipeline.params.whole import load_params
from pipeline.results.headline import headline, over_findings
from pipeline.results.report import Cohort, Figures, render_report
from stages.options import Dep, Out, ParamsFile, run


def main(
    systems: Dep,
    evaluation: Dep,
    localisation: Dep,
    methods: Dep,
    ingest: Dep,
    split_counts: Dep,
    ensemble: Dep,
    pictures: Dep,
    index: Dep,
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
        ingest=read_metrics(ingest),
    )
    cohort = Cohort(
        index=tables.read_index(index),
        splits=tables.read_splits(splits),
        predictions=tables.read_predictions(ensemble),
        crops=tables.read_crop_boxes(crops),
    )
    page = render_report(
        figures,
        read_gallery(pictures),
        cohort,
        member=crops.stem,
        rule=BoxRule(cfg.iou.threshold, cfg.iou.region),
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
