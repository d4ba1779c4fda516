"""Figures for people, in Markdown as benchmarks/RESULTS.md keeps them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pipeline.base.findings import FINDINGS

Figures = dict[str, Any]


def heading(machine: dict[str, str]) -> str:
    """When and on what."""
    return (
        f"## {datetime.now():%Y-%m-%d}: {machine['processor']}, GPU: {machine['gpu']}\n\n"
        f"torch {machine['torch']}, {machine['precision']}. Load before: {machine['load before']}."
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head."""
    head, *others = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *others])


def training_table(figures: Figures) -> str:
    """Trainings, and feeding without one."""
    setting = figures["setting"]
    target = "0.95" if setting["device"] == "cuda" else "0.90"
    lines = [
        f"{setting['size']} x {setting['size']} pixels, batches of {setting['batch']}; medians of "
        f"{setting['rounds']} rounds of {setting['steps']} steps, taken in turns "
        f"({setting['loader rounds']} beside the workers).",
        "",
        f"| network | `fit`, images/s | bare step | ratio, to be {target} (least to most) | "
        "PNG + PIL + workers | ratio | epoch of 82,736: `fit` | workers | "
        "peak memory: `fit` | bare | snapshot |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(_row(name, one) for name, one in figures["networks"].items()),
        "",
        "| without a network | cached | streamed | PNG + PIL + workers |",
        "|---|---|---|---|",
        _feeding(figures["feeding"]),
        _first(figures["first batch"]),
    ]
    return "\n".join(lines)


def attention_table(figures: Figures) -> str:
    """Heatmaps beside the forward pass and the package; crops beside the disk."""
    crops, peak = figures["crops"], figures["crops peak MB"]
    images = next(iter(figures["heatmaps"].values()))["against forward"]["images"]
    lines = [
        f"| 14 findings x 3 methods, fp32, {images:,} images | forward, images/s | heatmaps | "
        "time, at most 1.15 (least to most) | pytorch-grad-cam, s/image | ours | ratio |",
        "|---|---|---|---|---|---|---|",
        *(_heatmaps(name, one) for name, one in figures["heatmaps"].items()),
        "",
        "| crops of 224 from 512 px | placed/s | cut and written/s | written | np.save alone | "
        f"{' | '.join(f'peak memory, {int(many):,} images' for many in peak)} |",
        "|---|---|---|---|---|---|---|",
        f"| {crops['images']:,} images | {_number(crops['placed'])} | "
        f"{_number(crops['written'])} | {_number(crops['MB/s'])} MB/s | "
        f"{_number(crops['disk MB/s'])} MB/s | "
        f"{' | '.join(f'{value:,.0f} MB' for value in peak.values())} |",
    ]
    return "\n".join(lines)


def _heatmaps(name: str, one: Figures) -> str:
    mine, theirs = one["against forward"], one["package seconds"]
    seconds = 1 / mine["heatmaps"]
    cells = [
        f"`{name}`",
        _number(mine["forward"]),
        _number(mine["heatmaps"]),
        f"**{mine['ratio']:.2f}** ({mine['ratios'][0]:.2f} to {mine['ratios'][-1]:.2f})",
        "not installed" if theirs is None else f"{theirs:.2f}",
        f"{seconds:.2g}",
        "–" if theirs is None else f"**{theirs / seconds:,.0f} x**",
    ]
    return f"| {' | '.join(cells)} |"


def evaluation_table(figures: Figures) -> str:
    """Markdown: the patient bootstrap beside scikit-learn's functions in a loop."""
    one = figures["evaluation"]
    low, high = one["ratios"][0], one["ratios"][-1]
    return "\n".join(
        [
            "| patient bootstrap, one core | seconds (at most 20) | peak memory (at most 1 GiB) | "
            "scikit-learn in a loop | ratio |",
            "|---|---|---|---|---|",
            f"| AUROC and AP, {len(FINDINGS)} findings, {one['images']:,} images, "
            f"{one['replicates']:,} replicates | {one['seconds']:.1f} s | "
            f"{one['peak MB']:,.0f} MB | {one['scikit-learn seconds']:,.0f} s | "
            f"**{one['ratio']:,.0f} x** ({low:,.0f} to {high:,.0f}) |",
        ]
    )


def reading_table(figures: Figures) -> str:
    """Markdown: `ingest` beside other ways to read the same files."""
    one = figures["reading"]
    kind = "real" if one["real"] else "made"
    rates, ratios = one["rates"], one["ratios"]
    cells = [f"{one['images']:,} {kind} radiographs", _number(rates["ingest"])]
    for name in ("bare", "PIL", "torchxrayvision"):
        if name in rates:
            mine = ratios[name]
            middle = mine[len(mine) // 2]
            cells += [_number(rates[name]), f"**{middle:.2f}** ({mine[0]:.2f} to {mine[-1]:.2f})"]
        else:
            cells += ["not installed", "–"]
    return "\n".join(
        [
            f"| {one['threads']} threads, to 256 px | `ingest`, images/s | OpenCV alone | ratio, "
            "at least 0.90 | PIL + torchvision | ratio | torchxrayvision | ratio |",
            "|---|---|---|---|---|---|---|---|",
            f"| {' | '.join(cells)} |",
        ]
    )


def predicting_table(figures: Figures) -> str:
    """Markdown: `cxr predict` beside the least that it costs."""
    one = figures["predicting"]
    networks = "; ".join(" + ".join(pair) for pair in one["members"].values())
    ratios, rates = one["ratios"], one["rates"]
    return "\n".join(
        [
            "| members, global + local | images of 1024 px | `cxr predict`, images/s | decoding "
            "and forward passes alone | ratio, at least 0.90 (least to most) |",
            "|---|---|---|---|---|",
            f"| {networks} | {one['images']:,} | {_number(rates['predict'])} | "
            f"{_number(rates['bare'])} | **{ratios[len(ratios) // 2]:.2f}** ({ratios[0]:.2f} to "
            f"{ratios[-1]:.2f}) |",
        ]
    )


def _row(name: str, one: Figures) -> str:
    bare, usual = one["against bare"], one["against conventional"]
    epoch, peak = one["epoch seconds"], one["peak MB"]
    cells = [
        f"`{name}`",
        _number(bare["fit"]),
        _number(bare["bare"]),
        f"**{bare['ratio']:.2f}** ({bare['ratios'][0]:.2f} to {bare['ratios'][-1]:.2f})",
        _number(usual["conventional"]),
        f"**{usual['ratio']:.2f}**",
        _minutes(epoch["fit"]),
        _minutes(epoch["conventional"]),
        f"{peak['fit']:,.0f} MB",
        f"{peak['bare']:,.0f} MB",
        f"{one['snapshot seconds']:.2f} s",
    ]
    return f"| {' | '.join(cells)} |"


def _feeding(fed: Figures) -> str:
    rates = (_number(fed[name]) for name in ("cached", "streamed", "conventional"))
    return f"| augmented images/s on the device | {' | '.join(rates)} |"


def _first(first: Figures) -> str:
    times = (f"{first[name]:.1f} s" for name in ("cached", "streamed", "conventional"))
    return f"| first batch ({first['images']:,} images at 256 px) | {' | '.join(times)} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.1f} min"
