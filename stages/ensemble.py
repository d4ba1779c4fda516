"""Stage `ensemble`: the members vote, and who else is asked to."""

from pathlib import Path

from pipeline import tracking
from pipeline.base.checkout import checkout
from pipeline.base.members import SYSTEMS_BESIDE, read_systems, voting_folders
from pipeline.base.tables import read_predictions, write_predictions
from pipeline.guard.options import Dep, Out, ParamsFile, run
from pipeline.params.whole import load_params
from pipeline.results.evaluation.files.extra_votes import collect_votes, write_extra
from pipeline.results.evaluation.vote import VOTES, vote


def main(voting: Dep, extra: Out, out: Out, params: ParamsFile = Path("params.yaml")) -> None:
    """Join the probabilities of the members' fusion heads and of `ensemble.extra`."""
    cfg = load_params(params)
    folders = voting_folders(cfg.ensemble.members, cfg.fusion.finetune)
    votes = read_systems(voting, folders, read_predictions, suffix=".parquet", branches=["fusion"])
    taken = [*cfg.ensemble.members, *SYSTEMS_BESIDE]
    others = collect_votes(cfg.ensemble.extra, taken, checkout())
    write_predictions(vote(votes | others, VOTES[cfg.ensemble.vote]), out)
    write_extra(others, extra)
    tracking.log_artifact(out)


if __name__ == "__main__":
    run(main)
