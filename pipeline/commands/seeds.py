"""Command `seeds`: the same configuration under several seeds, and how far the results spread."""

from typing import Annotated

import typer

from pipeline.base.files import read_yaml
from pipeline.commands.checkout import enter_checkout
from pipeline.experiments.repeats import (
    expect_all,
    expect_same_data,
    head,
    names_of,
    results,
    run_seeds,
)
from pipeline.experiments.seed_report import seed_report
from pipeline.params.whole import load_params

Count = Annotated[int, typer.Option(min=1, help="How many: seed of the params, and those after.")]
Jobs = Annotated[int, typer.Option(min=1, help="Experiments that run at a time.")]


def main(count: Count = 3, jobs: Jobs = 1) -> None:
    """Queue what has not run yet, wait for it, and print mean and spread of all."""
    root = enter_checkout()
    params = root / "params.yaml"
    names = names_of(load_params(params).seed, count, read_yaml(params), head(root))
    experiments = run_seeds(names, jobs=jobs, root=root)
    expect_same_data(experiments, root)
    systems = results(experiments, "metrics/systems.json", root)
    methods = results(experiments, "metrics/methods.json", root)
    typer.echo(seed_report(systems, methods))
    expect_all(names, experiments)
