"""Stage `evaluate`: every system against the labels."""

from pathlib import Path

from pipeline import tracking
from pipeline.artifacts import tables
from pipeline.artifacts.files import read_json
from pipeline.artifacts.members import read_member_predictions
from pipeline.artifacts.metrics import write_metrics, write_plot
from pipeline.params.whole import load_params
from pipeline.results.evaluation import evaluate
from stages.options import Dep, Out, ParamsFile, run


def main(
    predictions: Dep,
    ensemble: Dep,
    index: Dep,
    splits: Dep,
    ceiling: Dep,
    out: Out,
    roc: Out,
    per_finding: Out,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write AUROCs with intervals, paired differences, and the points of two plots."""
    cfg = load_params(params)
    members = read_member_predictions(predictions, cfg.ensemble.members)
    evaluation = evaluate(
        members | {"ensemble": tables.read_predictions(ensemble)},
        tables.read_index(index),
        tables.read_splits(splits),
        read_json(ceiling),
        replicates=cfg.evaluate.bootstrap,
        seed=cfg.seed,
    )
    write_metrics(evaluation.metrics, out)
    write_plot(evaluation.roc, roc)
    write_plot(evaluation.per_finding, per_finding)
    tracking.log_metrics(evaluation.metrics)
    tracking.log_artifact(per_finding)


if __name__ == "__main__":
    run(main)
