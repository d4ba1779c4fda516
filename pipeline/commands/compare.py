"""Command `compare`: experiments beside what they started from, at a glance."""

from typing import Annotated

import typer

from pipeline.commands.checkout import enter_checkout
from pipeline.experiments.comparison import baselines, compare
from pipeline.experiments.exp_show import show
from pipeline.tracking.durations import minutes_spent

Revisions = Annotated[
    list[str] | None,
    typer.Argument(help="Commits whose experiments are shown: HEAD, unless others are named."),
]
Sort = Annotated[
    str, typer.Option(help="auroc, gain, iou or minutes, the highest first; else as DVC does.")
]


def main(revisions: Revisions = None, sort: Sort = "") -> None:
    """Print each commit and its experiments: what they changed, reached and cost."""
    root = enter_checkout()
    shown = show(root, revisions or [])
    minutes = minutes_spent(baselines(shown), root)
    typer.echo(compare(shown, minutes, sort))
