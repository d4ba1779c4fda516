"""Stage `evaluate`: every system against the labels."""

from functools import partial
from pathlib import Path

from pipeline import tracking
from pipeline.base import tables
from pipeline.base.files import read_json
from pipeline.base.members import read_systems, voting_folders
from pipeline.guard.options import Dep, Out, ParamsFile, run
from pipeline.params.whole import load_params
from pipeline.results.evaluation.evaluation import evaluate
from pipeline.results.evaluation.files import evaluations
from pipeline.results.evaluation.files.extra_votes import read_extra
from pipeline.results.evaluation.headline import diagnosis, headline
from pipeline.results.statistics.metric_files import write_metrics, write_plot


def main(
    voting: Dep,
    extra: Dep,
    ensemble: Dep,
    index: Dep,
    splits: Dep,
    ceiling: Dep,
    out: Out,
    systems_out: Out,
    tables_out: Out,
    calibrated: Out,
    auroc: Out,
    roc: Out,
    pr: Out,
    reliability: Out,
    cooccurrence: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write scores with intervals, paired differences, thresholds, subgroups and curves."""
    cfg = load_params(params)
    folders = voting_folders(cfg.ensemble.members, cfg.fusion.finetune)
    read = partial(read_systems, voting, folders, tables.read_predictions, suffix=".parquet")
    members, fusions = read(), read(branches=["fusion"])
    others = read_extra(extra)
    evaluation = evaluate(
        members | others | {"ensemble": tables.read_predictions(ensemble)},
        tables.read_index(index),
        tables.read_splits(splits),
        read_json(ceiling),
        cfg.evaluate,
        subject="ensemble",
        voters=[*fusions, *others],
        seed=cfg.seed,
    )
    write_metrics(headline(evaluation.metrics), out)
    write_metrics(evaluation.metrics, systems_out)
    evaluations.write_evaluation(evaluation.tables, tables_out)
    evaluations.write_calibrated(evaluation.calibrated, calibrated)
    write_plot(evaluation.plots["auroc"], auroc)
    write_plot(evaluation.plots["roc"], roc)
    write_plot(evaluation.plots["pr"], pr)
    write_plot(evaluation.plots["reliability"], reliability)
    write_plot(evaluation.plots["cooccurrence"], cooccurrence)
    tracking.log_metrics(diagnosis(evaluation.metrics), headline=True)
    tracking.log_artifact(tables_out)
    tracking.log_artifact(auroc)


if __name__ == "__main__":
    run(main)
