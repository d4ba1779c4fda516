"""What huge pages bring to training, in turns: `python -m benchmarks.huge_pages`."""

import os
import subprocess
import sys
from statistics import median
from typing import Annotated

import typer

from benchmarks.machine import describe_machine
from benchmarks.setup import amount, make_network, make_plan, make_task, random_images
from pipeline.guard.huge_pages import HUGE_PAGES, TUNABLES
from pipeline.training.fit import fit

BACKBONES = ("mobilenet_v2", "resnet18")
ROUNDS = 3


def images_per_second(backbone: str) -> float:
    """Of the second epoch of `fit` in this process: the first warms up."""
    much = amount()
    task = make_task(random_images(much.batch * much.steps))
    *_, last = fit(make_network(backbone), task, make_plan(much.batch, epochs=2))
    return last.images_per_second


def _in_a_process(backbone: str, tunables: str) -> float:
    """The same in a process of its own, that took its memory so."""
    words = [sys.executable, "-m", "benchmarks.huge_pages", "--of", backbone]
    env = os.environ | {TUNABLES: tunables}
    done = subprocess.run(words, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def main(
    backbones: Annotated[str, typer.Option(help="Separated by commas.")] = ",".join(BACKBONES),
    of: Annotated[str, typer.Option(help="Only print the rate of this one, as it is.")] = "",
) -> None:
    """Print images per second with huge pages and without, and the ratio of neighbours."""
    if of:
        typer.echo(images_per_second(of))
        return
    typer.echo(f"{describe_machine()}\n")
    typer.echo("| network | usual pages, images/s | huge pages | ratio (least to most) |")
    typer.echo("|---|---|---|---|")
    for backbone in backbones.split(","):
        pairs = [
            (_in_a_process(backbone, ""), _in_a_process(backbone, HUGE_PAGES))
            for _ in range(ROUNDS)
        ]
        usual, huge = (median(rates) for rates in zip(*pairs, strict=True))
        ratios = sorted(ours / theirs for theirs, ours in pairs)
        told = f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        typer.echo(f"| {backbone} | {usual:.1f} | {huge:.1f} | {told} |")


if __name__ == "__main__":
    typer.run(main)
