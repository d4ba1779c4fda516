"""Command `tables`: the last run's AUROCs as the paper's two tables."""

from pathlib import Path

import typer

from pipeline.base.files import read_json, read_yaml
from pipeline.commands.checkout import enter_checkout
from pipeline.results.terminal.paper_tables import paper_tables, voting_pairs


def main() -> None:
    """Print them as Markdown."""
    enter_checkout()
    systems, lock = Path("metrics/systems.json"), Path("dvc.lock")
    typer.echo(paper_tables(read_json(systems), voting_pairs(read_yaml(lock))))
