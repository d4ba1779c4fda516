"""The cohort of a checkout, and what is kept of runs on it."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline.attention.map_boxed import boxed_images
from pipeline.base.findings import FINDINGS
from pipeline.base.shards import Shards
from pipeline.base.tables import read_boxes, read_index, read_splits
from pipeline.params.whole import Params, load_params
from pipeline.results.localisation.boxed_findings import Case, boxed_cases
from pipeline.results.statistics.bootstrap import (
    patient_counts,
    percentile_interval,
    replicate_aurocs,
)
from pipeline.results.statistics.metrics import rank
from pipeline.search.fits import studied_global
from pipeline.training.branches import BranchTask

Figures = dict[str, Any]
"""Of one run; JSON-able."""

REPLICATES = 200


@dataclass(frozen=True)
class Cohort:
    """What is there to be trained on and judged by."""

    params: Params
    images: Shards
    index: pd.DataFrame
    splits: pd.DataFrame
    boxes: pd.DataFrame

    @property
    def cases(self) -> list[Case]:
        """On the rows of the boxed images alone."""
        rows = {name: row for row, name in enumerate(boxed_images(self.boxes, self.index))}
        cases = boxed_cases(self.boxes, self.index)
        return [case._replace(row=rows[case.image_index]) for case in cases]

    def global_task(self, params: Params, *, seed: int) -> BranchTask:
        """The global branch of the member under study, to be trained as `params` say."""
        return studied_global(
            params, images=self.images, index=self.index, splits=self.splits, seed=seed
        )

    def test_aurocs(self, probabilities: pd.DataFrame) -> list[float]:
        """The mean over findings on test images, and then in each of `REPLICATES` bootstraps.

        Args:
            probabilities: schema PREDICTIONS; rows of other splits are left out.
        """
        test = probabilities[probabilities["split"].eq("test")].merge(
            self.index, on="image_index", suffixes=("", "_label")
        )
        ids, patient = np.unique(test["patient_id"], return_inverse=True)
        counts = patient_counts(len(ids), replicates=REPLICATES, seed=0)
        counts = np.concatenate([np.ones((len(ids), 1)), counts], axis=1)
        drawn = [
            replicate_aurocs(
                rank(test[f"{one}_label"].to_numpy(bool), test[one].to_numpy(), patient), counts
            )
            for one in FINDINGS
            if test[f"{one}_label"].nunique() == 2
        ]
        return [float(value) for value in np.nanmean(drawn, axis=0)]


def read_cohort(root: Path) -> Cohort:
    """Of a checkout behind its stage `split`."""
    return Cohort(
        load_params(root / "params.yaml"),
        Shards(root / "data/cache/images"),
        read_index(root / "data/cache/index.parquet"),
        read_splits(root / "data/splits.parquet"),
        read_boxes(root / "data/cache/boxes.parquet"),
    )


def run_all(
    names: Iterable[str], seeds: int, kept: Path, run: Callable[[str, int], Figures]
) -> list[Figures]:
    """The figures of every name under every seed; a run that is kept is not run again.

    Args:
        names: of variants.
        seeds: 1, 2, ... so many, of weights and batches.
        kept: JSON lines, one a run; written after each.
        run: from a name and a seed to figures, of which `minutes` are told.
    """
    lines = kept.read_text().splitlines() if kept.exists() else []
    runs = [json.loads(line) for line in lines]
    done = {(one["variant"], one["seed"]) for one in runs}
    wanted = [(name, seed) for seed in range(1, seeds + 1) for name in names]
    for name, seed in wanted:
        if (name, seed) in done:
            continue
        runs.append({"variant": name, "seed": seed} | run(name, seed))
        with kept.open("a") as file:
            file.write(json.dumps(runs[-1]) + "\n")
        print(f"{name}, seed {seed}: {runs[-1]['minutes']:.1f} CPU min", flush=True)  # noqa: T201
    return [one for one in runs if (one["variant"], one["seed"]) in set(wanted)]


def of_variants(runs: Sequence[Figures]) -> dict[str, list[Figures]]:
    """The runs of each variant, in the order in which variants appear."""
    names = dict.fromkeys(run["variant"] for run in runs)
    return {name: [run for run in runs if run["variant"] == name] for name in names}


def mean_of(runs: Sequence[Figures], name: str) -> float:
    """Of a figure, over runs."""
    return float(np.mean([run[name] for run in runs]))


def auroc_less(own: Sequence[Figures], usual: Sequence[Figures]) -> tuple[float, float, float]:
    """The mean difference of test AUROCs over the seeds of both, and its interval.

    Paired by seed and by patient: the interval is of the test patients, not of the seeds.
    """
    less = _less(own, usual).mean(axis=0)
    low, high = percentile_interval(less[1:])
    return float(less[0]), low, high


def _less(own: Sequence[Figures], usual: Sequence[Figures]) -> Float[np.ndarray, "s r"]:
    """Differences of test AUROCs under each seed of both: as it is, then in each bootstrap."""
    others = {run["seed"]: run["auroc"] for run in usual}
    pairs = [(run["auroc"], others[run["seed"]]) for run in own if run["seed"] in others]
    found: Float[np.ndarray, "s 2 r"] = np.array(pairs)
    return np.asarray(found[:, 0] - found[:, 1])


def told_less_by_seed(own: Sequence[Figures], usual: Sequence[Figures]) -> str:
    """The lowest and the highest difference of a seed, in a cell of a table."""
    each = _less(own, usual)[:, 0]
    return f"{each.min():+.4f} to {each.max():+.4f}"


def told_less(own: Sequence[Figures], usual: Sequence[Figures]) -> str:
    """`auroc_less` in a cell of a table."""
    less, low, high = auroc_less(own, usual)
    return f"{less:+.4f} ({low:+.4f} to {high:+.4f})"


def spread(runs: Sequence[Figures]) -> str:
    """The mean test AUROC over seeds, and the lowest and highest."""
    found = [run["auroc"][0] for run in runs]
    return f"{np.mean(found):.3f} ({min(found):.3f} to {max(found):.3f})"
