"""Stage `ensemble`: the members vote."""

from pipeline import tracking
from pipeline.artifacts import tables
from pipeline.results.ensemble import soft_vote
from stages.options import Deps, Out, run


def main(predictions: Deps, out: Out) -> None:
    """Average the members' probabilities."""
    tables.write_predictions(soft_vote(tables.read_systems(predictions)), out)
    tracking.log_artifact(out)


if __name__ == "__main__":
    run(main)
