"""Stage `ensemble`: the members vote, and who else is asked to."""

from pathlib import Path

from pipeline import tracking
from pipeline.base.members import read_systems
from pipeline.base.tables import read_predictions, write_predictions
from pipeline.params.names import SYSTEMS_BESIDE
from pipeline.params.whole import load_params
from pipeline.results.evaluation.files.extra_votes import collect_votes, write_extra
from pipeline.results.evaluation.vote import VOTES, vote
from stages.options import Dep, Out, ParamsFile, run


def main(predictions: Dep, extra: Out, out: Out, params: ParamsFile = Path("params.yaml")) -> None:
    """Join the probabilities of the members' fusion heads and of `ensemble.extra`."""
    cfg = load_params(params)
    votes = read_systems(
        predictions,
        cfg.ensemble.members,
        read_predictions,
        stage="gather",
        suffix=".parquet",
        branches=["fusion"],
    )
    taken = [*cfg.ensemble.members, *SYSTEMS_BESIDE]
    others = collect_votes(cfg.ensemble.extra, taken, tracking.checkout())
    write_predictions(vote(votes | others, VOTES[cfg.ensemble.vote]), out)
    write_extra(others, extra)
    tracking.log_artifact(out)


if __name__ == "__main__":
    run(main)
