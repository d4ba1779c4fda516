"""What our settings bring to training on a CPU, in turns: `python -m benchmarks.cpu_settings`."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from statistics import median
from typing import Annotated, NamedTuple
from unittest import mock

import typer

from benchmarks.machine import describe_machine
from benchmarks.setup import amount, make_network, make_plan, make_task, random_images
from benchmarks.table import markdown
from pipeline.guard.huge_pages import HUGE_PAGES, TUNABLES
from pipeline.guard.thread_waits import WAITS
from pipeline.networks import device
from pipeline.training.fit import fit

BACKBONES = ("mobilenet_v2", "resnet18")
ROUNDS = 3


class Without(NamedTuple):
    """Training as if one of our settings were not there."""

    env: Mapping[str, str] = {}
    depthwise_in_fp32: bool = True


OURS = {TUNABLES: HUGE_PAGES, **WAITS}
SETTINGS: dict[str, Without] = {
    "usual pages, not huge ones": Without({TUNABLES: ""}),
    "threads that wait sleep at once": Without({"GOMP_SPINCOUNT": "0"}),
    "threads that wait spin as long as GNU's": Without({"GOMP_SPINCOUNT": "300000"}),
    "depthwise convolutions as autocast": Without(depthwise_in_fp32=False),
}


def images_per_second(backbone: str) -> float:
    """Of the second epoch of `fit` in this process: the first warms up."""
    much = amount()
    task = make_task(random_images(much.batch * much.steps))
    *_, last = fit(make_network(backbone), task, make_plan(much.batch, epochs=2))
    return last.images_per_second


def _in_a_process(backbone: str, without: Without) -> float:
    """The same in a process of its own, which reads its environment when it starts."""
    words = [sys.executable, "-m", "benchmarks.cpu_settings", "--of", backbone]
    words += [] if without.depthwise_in_fp32 else ["--depthwise-as-autocast"]
    env = {**os.environ, **OURS, **without.env}
    done = subprocess.run(words, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def _row(backbone: str, name: str, without: Without) -> list[str]:
    pairs = [
        (_in_a_process(backbone, Without()), _in_a_process(backbone, without))
        for _ in range(ROUNDS)
    ]
    ours, theirs = (median(rates) for rates in zip(*pairs, strict=True))
    ratios = sorted(own / other for own, other in pairs)
    told = f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    return [backbone, name, f"{theirs:.1f}", f"{ours:.1f}", told]


def main(
    backbones: Annotated[str, typer.Option(help="Separated by commas.")] = ",".join(BACKBONES),
    of: Annotated[str, typer.Option(help="Only print the rate of this one, as it is.")] = "",
    depthwise_as_autocast: Annotated[bool, typer.Option("--depthwise-as-autocast")] = False,
) -> None:
    """Print images per second as ours and without one setting, and the ratio of neighbours."""
    if of:
        plain = mock.patch.object(device, "_in_fp32", lambda forward, maps: forward(maps))
        with plain if depthwise_as_autocast else nullcontext():
            typer.echo(images_per_second(of))
        return
    rows = [["network", "without one of ours", "images/s", "ours", "ratio (least to most)"]]
    rows += [
        _row(backbone, name, without)
        for backbone in backbones.split(",")
        for name, without in SETTINGS.items()
    ]
    typer.echo(f"{describe_machine()}\n\n{markdown(rows)}")


if __name__ == "__main__":
    typer.run(main)
