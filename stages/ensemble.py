"""Stage `ensemble`: the members vote."""

from pathlib import Path

from pipeline import tracking
from pipeline.artifacts.members import read_member_predictions
from pipeline.artifacts.tables import write_predictions
from pipeline.params.whole import load_params
from pipeline.results.ensemble import soft_vote
from stages.options import Dep, Out, ParamsFile, run


def main(predictions: Dep, out: Out, params: ParamsFile = Path("params.yaml")) -> None:
    """Average the probabilities of the members' fusion heads."""
    cfg = load_params(params)
    votes = read_member_predictions(predictions, cfg.ensemble.members, branches=("fusion",))
    write_predictions(soft_vote(votes), out)
    tracking.log_artifact(out)


if __name__ == "__main__":
    run(main)
