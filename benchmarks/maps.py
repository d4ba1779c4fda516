"""How sharp maps are: `python -m benchmarks.maps`, poolings x grids x methods, some seeds.

Trains global branches on the cohort of this checkout (`dvc repro split` first, of params.yaml as
it stands) and judges their maps against its boxes. A run that is kept is not run again.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.cohort import (
    REPLICATES,
    Cohort,
    Figures,
    mean_of,
    of_variants,
    read_cohort,
    run_all,
    told_less,
)
from benchmarks.machine import describe_machine
from benchmarks.table import markdown
from pipeline.attention.crop import BoxRule
from pipeline.attention.extract import seen_rows
from pipeline.attention.heatmaps import Maps
from pipeline.attention.map_boxed import boxed_images
from pipeline.networks.branch import Branch
from pipeline.networks.layers import find_layer
from pipeline.results.localisation.box_baselines import per_finding_box
from pipeline.results.localisation.box_measures import MEAN, Scores, case_weights, score
from pipeline.results.localisation.boxed_findings import Case
from pipeline.results.localisation.detections import (
    Drawn,
    detect_with_fitted_thresholds,
    draw_maps,
)
from pipeline.results.localisation.overlap import MEASURES, Detection
from pipeline.results.statistics.bootstrap import percentile_interval
from pipeline.training.prediction_tables import predict_table

MEASURED = ("iou", "t_iou.0.5", "pointing")
METHODS = ("cam", "gradcam_pp", "layercam")
FINER = 8
"""Pixels per cell of the stage whose LayerCAM stands beside."""

FIRST = "average/0/32"
"""Whose AUROC the others' differences are from."""

VARIANTS = (
    FIRST, "lse/0/32", "pcam/0/32", "attention/0/32", "gem/0/32",
    "average/8/32", "lse/8/32", "pcam/8/32", "attention/8/32", "gem/8/32",
    "lse/0/16", "lse/4/32", "lse/16/32",
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


def run_variant(cohort: Cohort, name: str, seed: int) -> Figures:
    """Train one branch and judge it: figures with the replicates that intervals are taken from."""
    cfg = cohort.params
    above = cfg.global_.model_copy(update=asdict(Variant.named(name)))
    task = cohort.global_task(cfg.model_copy(update={"global_": above}), seed=seed)
    start = time.process_time()
    for _ in task.fit():
        pass
    minutes = (time.process_time() - start) / 60
    probabilities = predict_table(task.branch, task.examples)
    return {
        "minutes": minutes,
        "auroc": cohort.test_aurocs(probabilities),
        "maps": dict(_judged(cohort, task.branch)),
    }


def _judged(cohort: Cohort, branch: Branch) -> Iterable[tuple[str, Figures]]:
    cases = cohort.cases
    weights = case_weights(cases, replicates=REPLICATES, seed=0)
    for name, maps in _maps(cohort, branch):
        drawn = draw_maps(maps, cases)
        for rule in (cohort.params.iou.threshold, "otsu", "fitted"):
            found = _detections(drawn, cases, rule)
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


def _detections(drawn: Sequence[Drawn], cases: Sequence[Case], rule: Any) -> list[Detection]:
    if rule == "fitted":
        return detect_with_fitted_thresholds(drawn, cases, "peak")
    return [one.detect(BoxRule(rule, "peak")) for one in drawn]


def _figures(scores: Scores) -> Figures:
    place = MEASURES.index
    return {measure: float(scores.means[MEAN][place(measure)]) for measure in MEASURED} | {
        "drawn": [float(one) for one in scores.replicates[MEAN][:, place("iou")]]
    }


def table(runs: Sequence[Figures]) -> str:
    """Two in Markdown, a row for each variant: what it learns with its CAM, then other maps."""
    variants = of_variants(runs)
    head = ["pooling / pyramid / stride", "seeds", "AUROC", "less the first", "CPU minutes"]
    learnt = [[*head, *CAM, "pointing of cam"]]
    others = [[head[0], *OTHERS]]
    for variant, own in variants.items():
        name = variant.replace("/", " / ")
        beside = FIRST in variants and variant != FIRST
        pointing = mean_of([run["maps"]["cam otsu"] for run in own], "pointing")
        learnt.append(
            [
                name,
                str(len(own)),
                f"{np.mean([run['auroc'][0] for run in own]):.3f}",
                told_less(own, variants[FIRST]) if beside else "",
                f"{mean_of(own, 'minutes'):.1f}",
                *_ious(own, CAM),
                f"{pointing:.2f}",
            ]
        )
        others.append([name, *_ious(own, OTHERS)])
    best = [run["maps"]["best box for each finding"] for run in runs]
    without = f"The best box for each finding, no image seen: {_iou(best)}."
    return "\n\n".join([markdown(learnt), markdown(others), without])


CAM = ("cam otsu", "cam fitted")
OTHERS = ("gradcam_pp otsu", "layercam otsu", f"layercam at {FINER} px otsu")
"""Maps and what cuts their boxes, of which the tables show the mean IoU."""


def _ious(own: Sequence[Figures], maps: Iterable[str]) -> list[str]:
    return [_iou([run["maps"].get(name) for run in own]) for name in maps]


def _iou(maps: Sequence[Figures | None]) -> str:
    """A mean over seeds with its interval over patients; a dash where the map is another's."""
    there = [one for one in maps if one is not None]
    if not there:
        return "–"
    low, high = percentile_interval(np.nanmean([one["drawn"] for one in there], axis=0))
    return f"{mean_of(there, 'iou'):.3f} ({low:.3f} to {high:.3f})"


def main(
    variants: Annotated[
        str, typer.Option(help="pooling/pyramid/output_stride, separated by commas.")
    ] = ",".join(VARIANTS),
    seeds: Annotated[int, typer.Option(help="Of weights and batches: 1, 2, ...")] = 3,
    kept: Annotated[Path, typer.Option(help="JSON lines, one a run.")] = Path("maps.jsonl"),
) -> None:
    """Train and judge each variant under each seed, and print the table of all of them."""
    cohort = read_cohort(Path())
    runs = run_all(variants.split(","), seeds, kept, partial(run_variant, cohort))
    print(f"{describe_machine()}\n\n{table(runs)}")  # noqa: T201


if __name__ == "__main__":
    typer.run(main)
