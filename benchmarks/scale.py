"""What each stage costs, against the number of images: `python -m benchmarks.scale`.

In a checkout of its own, with the recipe to be measured (`cxr recipe full-scale`). DVC runs each
stage of the graph, one after the other, on synthetic cohorts of rising size. The table gives each
stage's time and the exponent with which it grows, the largest process and the disk that it fills.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
import yaml
from scipy.optimize import brentq

from benchmarks.cohort import Figures, run_all
from benchmarks.costs import cost_of
from benchmarks.machine import describe_machine
from benchmarks.table import markdown
from pipeline.base.tables import read_index

PATIENTS = (650, 6500, 64800)
"""About 1,100, 11,000 and 112,000 images."""

ALL = "all stages"
AGAIN = "nothing to do"


def stages_of(root: Path) -> list[str]:
    """Of the graph, with their members, in an order in which they can run."""
    command = [sys.executable, "-m", "dvc", "stage", "list", "--name-only"]
    return subprocess.run(
        command, cwd=root, check=True, capture_output=True, text=True
    ).stdout.split()


def disk_of(stage: str, root: Path) -> int:
    """Bytes of what a stage wrote, as dvc.lock has it."""
    lock = yaml.safe_load((root / "dvc.lock").read_text(encoding="utf-8"))
    return sum(out["size"] for out in lock["stages"][stage]["outs"])


def with_patients(text: str, patients: int) -> str:
    """A params file with another number of synthetic patients."""
    changed, found = re.subn(r"(?m)^(  patients:) \d+", rf"\1 {patients}", text)
    if found != 1:
        raise ValueError(f"expected one line `patients:` in params.yaml, found {found}")
    return changed


def run_size(root: Path, patients: int) -> Figures:
    """Every stage at that size, and `dvc repro` when nothing is left to do."""
    params = root / "params.yaml"
    params.write_text(with_patients(params.read_text(encoding="utf-8"), patients))
    dvc, log = [sys.executable, "-m", "dvc"], root / "scale.log"
    stages = {}
    for stage in stages_of(root):
        cost = cost_of([*dvc, "repro", "--single-item", "--force", stage], root, log=log)
        stages[stage] = vars(cost) | {"disk_bytes": disk_of(stage, root)}
        print(f"{stage}: {cost.seconds:.0f} s", flush=True)  # noqa: T201
    stages[AGAIN] = vars(cost_of([*dvc, "repro"], root, log=log)) | {"disk_bytes": 0}
    images = len(read_index(root / "data/cache/index.parquet"))
    minutes = sum(one["seconds"] for one in stages.values()) / 60
    return {"images": images, "minutes": minutes, "stages": stages}


def table(runs: Sequence[Figures]) -> str:
    """In Markdown: a row for each stage, its times against images, and the last size's peaks."""
    frames = {int(run["images"]): _by_stage(run["stages"]) for run in runs}
    sizes = sorted(frames)
    last = frames[sizes[-1]]
    head = [
        "stage",
        *(f"s at {size:,}" for size in sizes),
        "exponent",
        "CPU s",
        "largest process, GiB",
        "disk, GB",
    ]
    rows = [head]
    for stage in last.index:
        seconds = [float(frames[size]["seconds"][stage]) for size in sizes]
        cells = [
            str(stage),
            *(f"{one:.1f}" for one in seconds),
            _exponent(sizes, seconds),
            f"{last['cpu_seconds'][stage]:.0f}",
            f"{last['peak_bytes'][stage] / 2**30:.2f}",
            f"{last['disk_bytes'][stage] / 1e9:.2f}",
        ]
        rows.append(cells)
    return markdown(rows)


_TOGETHER = {"seconds": "sum", "cpu_seconds": "sum", "peak_bytes": "max", "disk_bytes": "sum"}


def _by_stage(stages: Figures) -> pd.DataFrame:
    """Members of one stage together: times and disk added, the largest process kept."""
    costs = pd.DataFrame.from_dict(stages, orient="index")
    together = costs.groupby(costs.index.str.split("@").str[0], sort=False).agg(_TOGETHER)
    return pd.concat([together, costs.agg(_TOGETHER).to_frame(ALL).T])


def _exponent(sizes: Sequence[int], seconds: Sequence[float]) -> str:
    """The k of `seconds = a + b * images ** k` through the first size and the two largest."""
    if len(sizes) < 3:
        return ""
    small, middle, large = (size / sizes[0] for size in (sizes[0], *sizes[-2:]))
    first, *last = (seconds[0], *seconds[-2:])
    if last[0] <= first:
        return "0"
    grown = (last[1] - first) / (last[0] - first)

    def over(k: float) -> float:
        return float((large**k - small) / (middle**k - small) - grown)

    return f"{brentq(over, *_EXPONENTS):.2f}" if over(_EXPONENTS[0]) < 0 else "0"


_EXPONENTS = (0.01, 4)
"""Among which one is sought."""


def main(
    patients: Annotated[
        str, typer.Option(help="Numbers of synthetic patients, rising, separated by commas.")
    ] = ",".join(map(str, PATIENTS)),
    kept: Annotated[Path, typer.Option(help="JSON lines, one a size.")] = Path("scale.jsonl"),
) -> None:
    """Run the graph at each size, and print the table of all of them."""
    runs = run_all(patients.split(","), 1, kept, lambda size, _: run_size(Path(), int(size)))
    print(f"{describe_machine()}\n\n{table(runs)}")  # noqa: T201


if __name__ == "__main__":
    typer.run(main)
