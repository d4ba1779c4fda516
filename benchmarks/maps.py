"""How sharp maps are: `python -m benchmarks.maps`, poolings x grids x methods, some seeds.

Trains global branches on the cohort of this checkout (`dvc repro split` first, of params.yaml as
it stands) and judges their maps against its boxes. A run that is kept is not run again.
"""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from jaxtyping import Float

from benchmarks.machine import describe_machine
from pipeline.attention.crop import BoxRule
from pipeline.attention.extract import seen_rows
from pipeline.attention.heatmaps import Maps
from pipeline.attention.map_boxed import boxed_images
from pipeline.base.findings import FINDINGS
from pipeline.base.shards import Shards
from pipeline.base.tables import read_boxes, read_index, read_splits
from pipeline.networks.branch import Branch
from pipeline.networks.layers import find_layer
from pipeline.params.whole import Params, load_params
from pipeline.results.localisation.box_baselines import per_finding_box
from pipeline.results.localisation.box_measures import MEAN, Scores, case_weights, score
from pipeline.results.localisation.boxed_findings import Case, boxed_cases
from pipeline.results.localisation.detections import detect_in_maps, detect_with_fitted_thresholds
from pipeline.results.localisation.overlap import MEASURES, Detection
from pipeline.results.statistics.bootstrap import (
    patient_counts,
    percentile_interval,
    replicate_aurocs,
)
from pipeline.results.statistics.metrics import rank
from pipeline.training.branches import global_task
from pipeline.training.prediction_tables import predict_table

Figures = dict[str, Any]

SHOWN = ("iou", "t_iou.0.5", "pointing")
METHODS = ("cam", "gradcam_pp", "layercam")
FINER = 8
"""Pixels per cell of the stage whose LayerCAM stands beside."""

REPLICATES = 200
FIRST = "average/0/16"
"""Whose AUROC the others' differences are from."""

VARIANTS = (
    FIRST, "lse/0/16", "pcam/0/16", "attention/0/16", "gem/0/16",
    "average/8/16", "lse/8/16", "pcam/8/16", "attention/8/16", "gem/8/16",
    "pcam/8/32", "pcam/4/16", "pcam/16/16",
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """What stands above a backbone, and how fine its own grid is."""

    pooling: str
    pyramid: int
    output_stride: int

    @classmethod
    def named(cls, name: str) -> "Variant":
        """From pooling/pyramid/output_stride."""
        pooling, pyramid, stride = name.split("/")
        return cls(pooling, int(pyramid), int(stride))


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


def read_cohort(root: Path) -> Cohort:
    """Of a checkout behind its stage `split`."""
    return Cohort(
        load_params(root / "params.yaml"),
        Shards(root / "data/cache/images"),
        read_index(root / "data/cache/index.parquet"),
        read_splits(root / "data/splits.parquet"),
        read_boxes(root / "data/cache/boxes.parquet"),
    )


def run_variant(cohort: Cohort, name: str, seed: int) -> Figures:
    """Train one branch and judge it: figures with the replicates that intervals are taken from."""
    cfg = cohort.params
    above = cfg.global_.model_copy(update=asdict(Variant.named(name)))
    task = global_task(
        cfg.members["model"].global_,
        "none",
        cfg.train,
        above,
        images=cohort.images,
        index=cohort.index,
        splits=cohort.splits,
        seed=seed,
    )
    start = time.perf_counter()
    for _ in task.fit():
        pass
    minutes = (time.perf_counter() - start) / 60
    probabilities = predict_table(task.branch, task.examples)
    return {
        "variant": name,
        "seed": seed,
        "minutes": minutes,
        "auroc": _aurocs(cohort, probabilities),
        "maps": dict(_judged(cohort, task.branch)),
    }


def _aurocs(cohort: Cohort, probabilities: pd.DataFrame) -> list[float]:
    """The mean over findings on test images, and then in every replicate."""
    test = probabilities[probabilities["split"].eq("test")].merge(
        cohort.index, on="image_index", suffixes=("", "_label")
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


def _judged(cohort: Cohort, branch: Branch) -> Iterable[tuple[str, Figures]]:
    cases = cohort.cases
    weights = case_weights(cases, replicates=REPLICATES, seed=0)
    for name, maps in _maps(cohort, branch):
        for rule in (cohort.params.iou.threshold, "otsu", "fitted"):
            found = _detections(maps, cases, rule)
            yield f"{name} {rule}", _figures(score(found, cases, weights))
    yield "best box for each finding", _figures(score(per_finding_box(cases), cases, weights))


def _maps(cohort: Cohort, branch: Branch) -> Iterable[tuple[str, Maps]]:
    rows = boxed_images(cohort.boxes, cohort.index).index.to_numpy()
    last, finer = find_layer(branch, "last"), find_layer(branch, FINER)
    layers = {last: METHODS, finer: ("layercam",)} if finer != last else {last: METHODS}
    for layer, methods in layers.items():
        seen = [*seen_rows(branch, layer, cohort.images, methods, flip=False, rows=rows)]
        for method in methods:
            stack = np.stack([one[method] for one in seen])
            where = "" if layer is last else f" at {FINER} px"
            yield f"{method}{where}", Maps(stack, layer.grid)


def _detections(maps: Maps, cases: Sequence[Case], rule: Any) -> list[Detection]:
    if rule == "fitted":
        return detect_with_fitted_thresholds(maps, cases, "peak")
    return detect_in_maps(maps, cases, BoxRule(rule, "peak"))


def _figures(scores: Scores) -> Figures:
    place = MEASURES.index
    return {measure: float(scores.means[MEAN][place(measure)]) for measure in SHOWN} | {
        "drawn": [float(one) for one in scores.replicates[MEAN][:, place("iou")]]
    }


def table(runs: Sequence[Figures]) -> str:
    """In Markdown: a row for each variant, method and threshold; means over seeds."""
    lines = [
        "| pooling / pyramid / stride, seeds | AUROC (difference) | minutes | map, threshold | "
        "mean IoU | T(IoU > 0.5) | pointing |",
        "|---|---|---|---|---|---|---|",
    ]
    usual = {run["seed"]: run for run in runs if run["variant"] == FIRST}
    for variant in dict.fromkeys(run["variant"] for run in runs):
        own = [run for run in runs if run["variant"] == variant]
        head = [
            f"`{variant}`, {len(own)}",
            _auroc_cell(own, usual),
            f"{_mean(own, 'minutes'):.1f}",
        ]
        for name in own[0]["maps"]:
            maps = [run["maps"][name] for run in own]
            low, high = percentile_interval(np.nanmean([one["drawn"] for one in maps], axis=0))
            iou = f"{_mean(maps, 'iou'):.3f} ({low:.3f} to {high:.3f})"
            others = [f"{_mean(maps, measure):.3f}" for measure in SHOWN[1:]]
            lines.append("| " + " | ".join([*head, name, iou, *others]) + " |")
            head = ["", "", ""]
    return "\n".join(lines)


def _auroc_cell(own: Sequence[Figures], usual: dict[int, Figures]) -> str:
    found: Float[np.ndarray, "s r"] = np.array([run["auroc"] for run in own])
    if own[0]["variant"] == FIRST or not all(run["seed"] in usual for run in own):
        return f"{found[:, 0].mean():.3f}"
    less = (found - np.array([usual[run["seed"]]["auroc"] for run in own])).mean(axis=0)
    low, high = percentile_interval(less[1:])
    return f"{found[:, 0].mean():.3f} ({less[0]:+.3f}, {low:+.3f} to {high:+.3f})"


def _mean(rows: Sequence[Figures], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))


def main(
    variants: Annotated[
        str, typer.Option(help="pooling/pyramid/output_stride, separated by commas.")
    ] = ",".join(VARIANTS),
    seeds: Annotated[int, typer.Option(help="Of weights and batches: 1, 2, ...")] = 3,
    kept: Annotated[Path, typer.Option(help="JSON lines, one a run.")] = Path("maps.jsonl"),
) -> None:
    """Train and judge each variant under each seed, and print the table of all that is kept."""
    cohort = read_cohort(Path())
    runs = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    done = {(run["variant"], run["seed"]) for run in runs}
    for seed in range(1, seeds + 1):
        for name in variants.split(","):
            if (name, seed) in done:
                continue
            runs.append(run_variant(cohort, name, seed))
            with kept.open("a") as file:
                file.write(json.dumps(runs[-1]) + "\n")
            print(f"{name}, seed {seed}: {runs[-1]['minutes']:.1f} min", flush=True)  # noqa: T201
    print(f"{describe_machine()}\n\n{table(runs)}")  # noqa: T201


if __name__ == "__main__":
    typer.run(main)
