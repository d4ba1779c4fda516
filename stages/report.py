"""Stage `report`: the page."""

from pathlib import Path

from pipeline import tracking
from pipeline.attention.crop import BoxRule
from pipeline.base import tables
from pipeline.base.files import write_text
from pipeline.base.members import read_members, read_systems, voting_folders
from pipeline.capsnet.reconstructions import read_reconstructions
from pipeline.guard.options import Dep, Out, ParamsFile, run
from pipeline.params.whole import load_params
from pipeline.results.evaluation.files.evaluations import read_evaluation
from pipeline.results.evaluation.headline import diagnosis
from pipeline.results.localisation.key_figures import key_figures, over_findings
from pipeline.results.report.gallery import read_gallery
from pipeline.results.report.report import Cohort, Figures, render_report
from pipeline.results.statistics.metric_files import read_metrics
from pipeline.training.records.curves import read_curves


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
    voting: Dep,
    reconstructions: Dep,
    out: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write one self-contained HTML page."""
    cfg = load_params(params)
    names = cfg.ensemble.members
    folders = voting_folders(names, cfg.fusion.finetune)
    found = read_metrics(methods)
    figures = Figures(
        systems=read_metrics(systems),
        evaluation=read_evaluation(evaluation),
        localisation=tables.read_localisation(localisation),
        methods=found,
        split_counts=read_metrics(split_counts),
        curves=read_systems(voting, folders, read_curves, suffix=".csv"),
        pretraining=read_members(
            reconstructions, names, read_reconstructions, stage="pretrain_capsnet"
        ),
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
    tracking.log_metrics(diagnosis(figures.systems) | key_figures(found))
    tracking.log_metrics(figures.systems, group="systems")
    tracking.log_metrics(over_findings(found), group="methods")
    tracking.log_artifact(out)


if __name__ == "__main__":
    run(main)
