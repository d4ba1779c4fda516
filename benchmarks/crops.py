"""What crop rules see of the true boxes: `python -m benchmarks.crops`, coverage against area.

Judges rules before anything is trained on their crops, by the heatmaps that the member under study
has in this checkout (`dvc repro extract_crops@model` first).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from jaxtyping import Float, Int
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.special import expit

from pipeline.attention.extract import pooled_logits
from pipeline.attention.heatmaps import Maps, read_heatmaps
from pipeline.attention.place import ATTENTION, place
from pipeline.attention.window import evidence_window
from pipeline.base.shards import Shards
from pipeline.base.tables import read_boxes, read_index
from pipeline.networks.branch import restore_branch
from pipeline.networks.checkpoints import read_checkpoint
from pipeline.params.names import HeatmapMethod, RegionRule
from pipeline.params.sections import CropParams
from pipeline.results.localisation.boxed_findings import CORNERS
from pipeline.results.statistics.bootstrap import patient_counts, percentile_interval

AREAS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
"""Shares of the image at which curves are read."""

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
SIDES = tuple(round(0.1 + 0.05 * step, 2) for step in range(19))

REPLICATES = 1000
_RASTER = 128
_CAM: HeatmapMethod = "cam"

Boxes = Float[np.ndarray, "k 4"]


@dataclass(frozen=True)
class Seen:
    """What is known of an image without its boxes."""

    heatmaps: Mapping[str, Maps]
    row: int
    logits: Float[np.ndarray, " f"]
    prior: Float[np.ndarray, " f"]

    @property
    def attention(self) -> Float[np.ndarray, "h w"]:
        """The map that knows no finding."""
        return np.asarray(self.heatmaps[ATTENTION][self.row][0])

    @cached_property
    def evidence(self) -> Float[np.ndarray, "h w"]:
        """Of all findings together, each weighed by its probability."""
        maps = self.heatmaps[_CAM][self.row].clip(0)
        return np.asarray(np.einsum("f,fhw->hw", expit(self.logits), maps))

    def window(self, heatmap: Float[np.ndarray, "h w"], side: float) -> Boxes:
        """Of a map; in the middle where it says nothing."""
        found = evidence_window(heatmap, self.heatmaps[_CAM].grid, side=side)
        return in_the_middle(side) if found is None else found[None]


Rule = Callable[[Seen, float], Boxes]
"""The crops of an image at a threshold or a side."""


def in_the_middle(side: float) -> Boxes:
    """A square that sees no image."""
    return np.array([[0.5 - side / 2, 0.5 - side / 2, 0.5 + side / 2, 0.5 + side / 2]])


def by_params(method: HeatmapMethod, region: RegionRule = "peak", **fixed: int) -> Rule:
    """The rule of params.yaml at any threshold or side, without a margin or a least side."""

    def crops(seen: Seen, varied: float) -> Boxes:
        values: dict[str, Any] = {
            "method": method, "region": region, "top": 1, "threshold": 0.5, "margin": 0.0,
            "min_side": 0.0, "windows": 0, "side": varied, "input_size": 72,
        }  # fmt: skip
        if not fixed.get("windows"):
            values |= {"threshold": varied, "side": 0.25}
        params = CropParams(**values | fixed)
        placed = place(seen.heatmaps, seen.row, seen.logits, seen.prior, params)
        return np.stack([one.box for one in placed])

    return crops


def each_of_the_likeliest(number: int) -> Rule:
    """A window for each of so many most probable findings, by its own map."""

    def crops(seen: Seen, side: float) -> Boxes:
        likely = np.argsort(-seen.logits, kind="stable")[:number]
        maps = seen.heatmaps[_CAM][seen.row]
        return np.concatenate([seen.window(maps[one], side) for one in likely])

    return crops


def one_after_the_other(number: int) -> Rule:
    """Windows of all findings' evidence: what one holds is none of the next one's."""

    def crops(seen: Seen, side: float) -> Boxes:
        grid = seen.heatmaps[_CAM].grid
        found: list[Boxes] = []
        for _ in range(number):
            box = evidence_window(seen.evidence, grid, side=side, taken=found)
            found.append(in_the_middle(side)[0] if box is None else box)
        return np.stack(found)

    return crops


RULES: dict[str, tuple[tuple[float, ...], Rule]] = {
    "a square in the middle, no image seen": (SIDES, lambda _, side: in_the_middle(side)),
    "attention, largest region (AG-CNN)": (THRESHOLDS, by_params(ATTENTION, "largest")),
    "attention, region of the peak": (THRESHOLDS, by_params(ATTENTION)),
    "attention, 1 window": (SIDES, by_params(ATTENTION, windows=1)),
    "most probable finding, region of the peak": (THRESHOLDS, by_params(_CAM)),
    "3 most probable findings, regions joined": (THRESHOLDS, by_params(_CAM, top=3)),
    "most raised finding, 1 window": (SIDES, by_params(_CAM, windows=1)),
    "4 most raised findings, a window each": (SIDES, by_params(_CAM, windows=4)),
    "9 most raised findings, a window each": (SIDES, by_params(_CAM, windows=9)),
    "4 most probable findings, a window each": (SIDES, each_of_the_likeliest(4)),
    "all findings' evidence, 1 window": (SIDES, one_after_the_other(1)),
    "all findings' evidence, 4 windows": (SIDES, one_after_the_other(4)),
}
"""What is varied, and the crops that come of it. Raised: furthest above what is usual."""


@dataclass(frozen=True)
class Boxed:
    """Images with boxes."""

    seen: list[Seen]
    truths: list[Boxes]
    patient: Int[np.ndarray, " n"]


def read_boxed(root: Path) -> Boxed:
    """Those of a checkout."""
    index = read_index(root / "data/cache/index.parquet")
    boxes = read_boxes(root / "data/cache/boxes.parquet").groupby("image_index")[CORNERS]
    heatmaps = read_heatmaps(root / "data/heatmaps/model")
    branch = restore_branch(*read_checkpoint(root / "data/models/model/global.safetensors"))
    logits = pooled_logits(branch, Shards(root / "data/features/model/global", "pooled"))
    prior = branch.prior.numpy()
    truths = {str(name): own.to_numpy(float) for name, own in boxes}
    rows = index.index[index["image_index"].isin(truths)].to_numpy()
    return Boxed(
        [Seen(heatmaps, int(row), logits[row], prior) for row in rows],
        [truths[name] for name in index["image_index"].iloc[rows]],
        np.unique(index["patient_id"].iloc[rows], return_inverse=True)[1],
    )


def covered(crops: Boxes, truths: Boxes) -> tuple[float, float]:
    """The share of the image that crops take, and the share of the true boxes that they cover."""
    taken, true = (_painted(boxes) for boxes in (crops, truths))
    return float(taken.mean()), float((taken & true).sum() / true.sum())


def _painted(boxes: Boxes) -> np.ndarray:
    field = np.zeros((_RASTER, _RASTER), bool)
    for box in boxes:
        x1, y1 = np.floor(box[:2] * _RASTER + 1e-6).astype(int)
        x2, y2 = np.ceil(box[2:] * _RASTER - 1e-6).astype(int)
        field[y1:y2, x1:x2] = True
    return field


def curves(boxed: Boxed) -> Iterator[tuple[str, Float[np.ndarray, "s n 2"]]]:
    """Of each rule, area and coverage of every image at every setting."""
    for name, (settings, rule) in RULES.items():
        yield name, np.array([
            [covered(rule(seen, one), truths) for seen, truths in zip(
                boxed.seen, boxed.truths, strict=True)]
            for one in settings
        ])  # fmt: skip


def read_off(curve: Float[np.ndarray, "s 2"], area: float) -> float:
    """Coverage where the mean area is so large: between settings in proportion, else none."""
    order = np.argsort(curve[:, 0])
    areas, shares = curve[order].T
    return float(np.interp(area, areas, shares, left=np.nan, right=np.nan))


def rows(found: Mapping[str, Float[np.ndarray, "s n 2"]], boxed: Boxed) -> pd.DataFrame:
    """Coverage at `AREAS`, with its interval at a quarter of the image (patient bootstrap)."""
    patients = int(boxed.patient.max()) + 1
    counts = patient_counts(patients, replicates=REPLICATES, seed=0)[boxed.patient]
    table: dict[str, dict[str, Any]] = {}
    for name, each in found.items():
        drawn = [read_off(np.average(each, axis=1, weights=weights), 0.25) for weights in counts.T]
        low, high = percentile_interval(np.array(drawn))
        row: dict[str, Any] = {f"{area:g}": read_off(each.mean(axis=1), area) for area in AREAS}
        table[name] = row | {"low": low, "high": high}
    return pd.DataFrame(table).T


def told(table: pd.DataFrame) -> str:
    """In Markdown."""
    areas = [f"{area:g}" for area in AREAS]
    lines = [f"| crop rule | {' | '.join(areas)} |", "|---" * (1 + len(areas)) + "|"]
    for name, row in table.iterrows():
        cells = ["" if pd.isna(row[area]) else f"{row[area]:.2f}" for area in areas]
        if not pd.isna(row["low"]):
            cells[areas.index("0.25")] += f" ({row['low']:.2f} to {row['high']:.2f})"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def drawn_curves(found: Mapping[str, Float[np.ndarray, "s n 2"]]) -> Figure:
    """All of them, on one pair of axes."""
    figure = Figure(figsize=(9, 5.5), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.08, 0.1, 0.5, 0.86))
    for rank, (name, each) in enumerate(found.items()):
        curve = each.mean(axis=1)
        line = curve[np.argsort(curve[:, 0])]
        axes.plot(*line.T, "-" if rank < 6 else "--", label=name, linewidth=1.6)
    axes.set(
        xlim=(0, 0.6), ylim=(0, 1), xlabel="mean area of the crops, share of the image",
        ylabel="mean share of the true boxes that they cover",
    )  # fmt: skip
    axes.axvline(0.25, color="#999", linewidth=0.8)
    axes.grid(color="#ddd")
    figure.legend(loc="center left", bbox_to_anchor=(0.59, 0.5), fontsize=8.5, frameon=False)
    return figure


def main(
    picture: Annotated[Path, typer.Option(help="Where the curves are drawn.")] = Path("crops.png"),
) -> None:
    """Judge every rule, print the table and draw the curves."""
    boxed = read_boxed(Path())
    found = dict(curves(boxed))
    drawn_curves(found).savefig(picture)
    print(f"{len(boxed.seen)} images with boxes\n\n{told(rows(found, boxed))}")  # noqa: T201


if __name__ == "__main__":
    typer.run(main)
