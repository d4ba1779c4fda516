"""Stage `report`: the page."""

import tempfile
from pathlib import Path

from pipeline import tracking
from pipeline.attention.crop import BoxRule
from pipeline.base import tables
from pipeline.base.files import read_json, replacing, write_text
from pipeline.base.members import read_members, read_systems, voting_folders
from pipeline.capsnet.reconstructions import read_reconstructions
from pipeline.guard.options import Dep, Out, ParamsFile, run
from pipeline.params.whole import load_params
from pipeline.results.evaluation.files.evaluations import read_evaluation
from pipeline.results.evaluation.headline import diagnosis
from pipeline.results.localisation.key_figures import key_figures
from pipeline.results.pictures.case_files import read_cases
from pipeline.results.pictures.gallery import read_gallery
from pipeline.results.report.report import Cohort, Figures, render_report
from pipeline.results.report.results_table import results_table
from pipeline.results.report.verdict import verdict
from pipeline.results.report.views.case_browser import write_beside_page
from pipeline.results.statistics.metric_files import read_metrics, write_plot
from pipeline.training.records.curves import read_curves


def main(
    systems: Dep,
    evaluation: Dep,
    localisation: Dep,
    methods: Dep,
    ingest: Dep,
    split_counts: Dep,
    ensemble: Dep,
    settings: Dep,
    gallery: Dep,
    cases: Dep,
    index: Dep,
    crops: Dep,
    splits: Dep,
    voting: Dep,
    reconstructions: Dep,
    out: Out,
    beside: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write one self-contained HTML page, and beside it what is too much for one."""
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
    pictures, files = read_gallery(gallery), read_cases(cases)
    cohort = Cohort(
        index=tables.read_index(index),
        splits=tables.read_splits(splits),
        predictions=tables.read_predictions(ensemble),
        crops=tables.read_crop_boxes(crops / f"{pictures.member}.parquet"),
    )
    page = render_report(
        figures,
        pictures,
        files,
        cohort,
        settings=read_json(settings),
        rule=BoxRule(cfg.iou.threshold, cfg.iou.region),
        sensitivity=cfg.evaluate.sensitivity,
    )
    with replacing(beside) as fresh:
        fresh.mkdir()
        write_beside_page(files, fresh)
    write_text(page, out)
    # As evaluate and iou log them when they run: here for a run in which DVC skipped them.
    tracking.log_metrics(diagnosis(figures.systems) | key_figures(found), headline=True)
    tracking.describe("\n\n".join(verdict(figures.systems, found)))
    tracking.log_artifact(out, headline=True)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "results.csv"
        write_plot(results_table(figures.evaluation["scores"], figures.localisation), table)
        tracking.log_artifact(table, headline=True)


if __name__ == "__main__":
    run(main)
