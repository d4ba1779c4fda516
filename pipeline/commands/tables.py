"""Command `tables`: the last run's AUROCs as the paper's two tables."""

from pathlib import Path

import typer

from pipeline.base.files import read_json, read_yaml
from pipeline.results.terminal.paper_tables import paper_tables, voting_pairs
from stages.options import run


def main(systems: Path = Path("metrics/systems.json"), lock: Path = Path("dvc.lock")) -> None:
    """Print them as Markdown."""
    typer.echo(paper_tables(read_json(systems), voting_pairs(read_yaml(lock))))


if __name__ == "__main__":
    run(main, tracked=False)
