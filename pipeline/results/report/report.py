"""The page: what was reached, how sure that is, and pictures; one self-contained HTML file."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from pipeline.attention.crop import BoxRule
from pipeline.base.findings import FINDINGS
from pipeline.capsnet.reconstructions import Pretraining
from pipeline.results.evaluation.files.systems import FLOORS
from pipeline.results.pictures.case_files import CaseFiles
from pipeline.results.pictures.gallery import Gallery
from pipeline.results.report.card_rows import card_rows
from pipeline.results.report.charts import (
    curves_chart,
    differences_chart,
    findings_chart,
    reconstructions_chart,
)
from pipeline.results.report.evaluation_part import SUBJECT, EvaluationPart, evaluation_part
from pipeline.results.report.pages import environment
from pipeline.results.report.verdict import CHANCE, verdict
from pipeline.results.report.views.box_table import (
    BoxTable,
    Estimate,
    box_table,
    estimate_of,
)
from pipeline.results.report.views.case_browser import case_browser
from pipeline.results.report.views.kept_epochs import kept_rows
from pipeline.results.report.views.origins import box_origin, split_origin
from pipeline.results.report.views.published_scores import PUBLISHED
from pipeline.results.report.views.strip import strip
from pipeline.results.report.views.subgroup_view import Scale, scale_of
from pipeline.training.records.kept import RANKING

TEMPLATE = "report.html.jinja"

BASELINES = (*FLOORS, "ceiling")

Metrics = dict[str, Any]


class Figures(NamedTuple):
    """The numbers that the page shows."""

    systems: Metrics
    """metrics/systems.json"""
    evaluation: Mapping[str, pd.DataFrame]
    """By the names of `pipeline.results.evaluation.files.evaluations.SCHEMAS`."""
    localisation: pd.DataFrame
    """Schema LOCALISATION; no rows if the cohort has no boxes"""
    methods: Metrics
    """metrics/methods.json: the same, in short"""
    split_counts: Metrics
    """metrics/split.json: split to counts"""
    curves: Mapping[str, pd.DataFrame]
    """Of systems `<member>.<branch>`."""
    pretraining: Mapping[str, Pretraining | None]
    """Of members; None without a cascade."""
    ingest: Metrics
    """data/cache/report.json"""


@dataclass(frozen=True)
class Cohort:
    """What the page says of images one by one."""

    index: pd.DataFrame
    splits: pd.DataFrame
    predictions: pd.DataFrame
    """Of the ensemble (schema PREDICTIONS)."""
    crops: pd.DataFrame
    """Of the member that is shown."""


def render_report(
    figures: Figures,
    gallery: Gallery,
    cases: CaseFiles,
    cohort: Cohort,
    *,
    settings: Metrics,
    rule: BoxRule,
    sensitivity: float,
) -> str:
    """The whole page as HTML.

    Args:
        figures: numbers of all systems.
        gallery: test images under heatmaps of the member that is shown.
        cases: every test image, small.
        cohort: what is known of every image.
        settings: what names the run (data/settings.json).
        rule: by which heatmaps become the predicted boxes.
        sensitivity: that one rule of thresholds asks for.
    """
    shown = gallery.member
    names = system_order(figures.systems, shown)
    best = best_system(figures.systems, names)
    part = evaluation_part(
        figures.evaluation,
        figures.systems,
        predictions=cohort.predictions,
        index=cohort.index,
        member=shown,
        best=best,
    )
    browser = case_browser(
        cases,
        predictions=cohort.predictions,
        index=cohort.index,
        thresholds=figures.evaluation["thresholds"],
        subject=SUBJECT,
    )
    boxed = box_table(figures.localisation, shown, gallery.method)
    page = {
        "shown": shown,
        "verdict": verdict(figures.systems, figures.methods),
        "systems": figures.systems,
        "names": names,
        "best": best,
        "part": part,
        "sensitivity": sensitivity,
        "charts": _charts(figures, part, shown),
        "boxed": boxed,
        "iou_scale": _iou_scale(boxed),
        "published": PUBLISHED,
        "rule": rule,
        "crops": crop_sources(cohort.crops),
        "browser": browser,
        "findings": FINDINGS,
        "baselines": BASELINES,
        "sections": SECTIONS,
    }
    page |= _systems(figures.systems, names, settings["members"]) | card_rows(part)
    page |= _pictures(gallery) | _trainings(figures)
    page |= _run(settings, cohort, figures)
    return environment().get_template(TEMPLATE).render(page)


def _systems(systems: Metrics, names: Sequence[str], members: Metrics) -> Metrics:
    aurocs = {name: estimate_of(systems[name], "mean_auroc") for name in names}
    return {
        "groups": system_groups(names, members),
        "aurocs": aurocs,
        "bar_scale": scale_of([*aurocs.values(), Estimate(CHANCE, None, None)]),
    }


def _pictures(gallery: Gallery) -> Metrics:
    return {
        "pictures": gallery.examples,
        "compared": gallery.compared,
        "method": gallery.method,
        "first_finding": gallery.examples[0].finding if gallery.examples else FINDINGS[0],
    }


def _trainings(figures: Figures) -> Metrics:
    return {
        "kept": kept_rows(figures.curves),
        "ranking": RANKING,
        "pretraining": _pretrained(figures),
    }


def _run(settings: Metrics, cohort: Cohort, figures: Figures) -> Metrics:
    """What names the run, and what its images are."""
    counted = _counted(cohort)
    return {
        "strip": strip(settings, counted, made="ceiling" in figures.systems),
        "cohort": counted,
        "split_names": split_order(figures.split_counts),
        "counts": split_rows(figures.split_counts),
        "split_origin": split_origin(figures.ingest),
        "box_origin": box_origin(figures.ingest),
    }


SECTIONS = {
    "radiographs": "Radiographs", "cases": "Test images", "systems": "Systems",
    "literature": "Literature", "findings": "Findings", "localisation": "Localisation",
    "card": "Model card", "differences": "Differences", "curves": "Curves",
    "calibration": "Calibration", "thresholds": "Thresholds", "cooccurrence": "Co-occurrence",
    "subgroups": "Subgroups", "methods": "Every heatmap", "training": "Training",
    "capsnet": "CapsNet pretraining", "split": "Split",
}  # fmt: skip
"""In their order: ids and titles. A page lists those that it has."""


def system_groups(names: Sequence[str], members: Metrics) -> list[tuple[str, list[str]]]:
    """Systems by whose they are, in their order: a title and the names.

    Args:
        names: of `system_order`.
        members: by name, their backbones (settings).
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        owner = name.partition(".")[0]
        networks = members.get(owner)
        title = f"{owner}: {networks['global']}, {networks['local']}" if networks else ""
        groups.setdefault(_NO_NETWORK if name in BASELINES else title, []).append(name)
    return list(groups.items())


_NO_NETWORK = "No network"


def _iou_scale(boxed: BoxTable | None) -> Scale | None:
    if boxed is None:
        return None
    return scale_of([row.measures["iou"] for row, _ in boxed.short] + [Estimate(0.0, None, None)])


def system_order(systems: Metrics, member: str) -> list[str]:
    """As one reads them: the ensemble, `member`, other members, baselines without an image."""
    shown = [name for name in systems if "mean_auroc" in systems[name]]
    branches = ["fusion", "local", "global"]

    def place(name: str) -> tuple[Any, ...]:
        owner, _, branch = name.partition(".")
        if name in BASELINES:
            return (3, BASELINES.index(name))
        if branch not in branches:
            return (0, name)
        return (1 if owner == member else 2, owner, branches.index(branch))

    return sorted(shown, key=place)


def best_system(systems: Metrics, names: Sequence[str]) -> str:
    """The system that validation prefers; choosing on test would flatter it."""
    trained = [name for name in names if name not in BASELINES]
    return max(trained, key=lambda name: systems[name].get("val_mean_auroc", 0.0))


def split_rows(counts: Metrics) -> list[tuple[str, list[Any]]]:
    """Name and counts of each row; nested counts are opened, so that a row is one quantity."""
    columns = [_flat(counts[name]) for name in split_order(counts)]
    names = dict.fromkeys(name for column in columns for name in column)
    ordered = sorted(names, key=lambda name: FINDINGS.index(name) if name in FINDINGS else -1)
    return [(name, [column.get(name) for column in columns]) for name in ordered]


def split_order(counts: Metrics) -> list[str]:
    """Splits in the order of their use."""
    return [name for name in ("train", "val", "test") if name in counts]


def _flat(column: Metrics) -> Metrics:
    flat: Metrics = {}
    for name, value in column.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def _counted(cohort: Cohort) -> dict[str, int]:
    index, splits = cohort.index, cohort.splits
    test = index[index["image_index"].isin(splits.loc[splits["split"] == "test", "image_index"])]
    return {
        "images": len(index),
        "patients": int(index["patient_id"].nunique()),
        "test_images": len(test),
        "test_patients": int(test["patient_id"].nunique()),
    }


def _charts(figures: Figures, part: EvaluationPart, member: str) -> dict[str, str]:
    """Figures as data URIs; those without data are left out."""
    roles = {f"{member}.{branch}": branch for branch in ("global", "local", "fusion")}
    roles |= {SUBJECT: "ensemble", "metadata_only": "metadata_only", "ceiling": "ceiling"}
    aurocs = {
        role: figures.systems[name]["auroc"]
        for name, role in roles.items()
        if name in figures.systems
    }
    intervals = {row.finding: row.auroc for row in part.findings}
    charts = {"findings": findings_chart(aurocs, intervals)} | part.charts
    if figures.systems["delta"]:
        charts["differences"] = differences_chart(figures.systems["delta"])
    if figures.curves:
        charts["curves"] = curves_chart(figures.curves)
    for name, one in _pretrained(figures).items():
        charts[f"reconstructions of {name}"] = reconstructions_chart(one.examples)
    return {name: _data_uri(svg) for name, svg in charts.items()}


def _pretrained(figures: Figures) -> dict[str, Pretraining]:
    return {name: one for name, one in figures.pretraining.items() if one is not None}


def crop_sources(crops: pd.DataFrame) -> list[tuple[str, int]]:
    """What drew how many crops, most frequent first."""
    return [(str(source), int(count)) for source, count in crops["source"].value_counts().items()]


def _data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
