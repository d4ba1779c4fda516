"""Command `tables`: the last run's AUROCs as the paper's two tables."""

from pathlib import Path

import typer

from pipeline.artifacts.files import read_json
from pipeline.params import load_params
from pipeline.results.tables import paper_tables
from stages.options import ParamsFile, run


def main(
    evaluate: Path = Path("metrics/evaluate.json"), params: ParamsFile = Path("params.yaml")
) -> None:
    """Print them as Markdown."""
    cfg = load_params(params)
    voting = {name: cfg.members[name] for name in cfg.ensemble.members}
    typer.echo(paper_tables(read_json(evaluate), voting))


if __name__ == "__main__":
    run(main, tracked=False)
