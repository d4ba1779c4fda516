"""`.dvc/plots/`: DVC fills every anchor, and the picture has each revision and each finding."""

import json
import re
from pathlib import Path

import pytest
from dvc.render.match import match_defs_renderers

from pipeline.base.findings import FINDINGS

FOLDER = Path(__file__).parents[3] / ".dvc" / "plots"
TEMPLATES = sorted(path.stem for path in FOLDER.glob("*.json"))
REVISIONS = ("workspace", "HEAD~1")

CURVE = "plots/curves/model/global.csv"

PLOTS = {
    "cooccurrence": {"x": "called", "y": {"cooccurrence.csv": "actual"}},
    "curves": {"x": "epoch", "y": {CURVE: "val_auroc"}, "title": CURVE},
    "findings": {"x": "auroc", "y": {"auroc.csv": "finding"}},
    "methods": {"x": "iou", "y": {"iou.csv": "method"}},
    "pr": {"x": "recall", "y": {"pr.csv": "precision"}},
    "reliability": {"x": "predicted", "y": {"reliability.csv": "observed"}},
    "roc": {"x": "fpr", "y": {"roc.csv": "tpr"}},
}
"""A definition for each template, as `plots:` of dvc.yaml holds it."""

MEMBERS = ("model", "second")
METHODS = ("cam", "cam, threshold fitted")

NAMES = {"curves": ["train", "val"], "methods": [*MEMBERS, *METHODS]}
"""What one must be able to read, where that is not the 14 findings."""

SERIES = {
    "fpr": ("1e-05", "0.4", "0.4", "1"),
    "tpr": ("0.1", "0.3", "0.7", "1"),
    "recall": ("1e-05", "0.4", "0.4", "1"),
    "precision": ("1", "0.7", "0.3", "0.1"),
    "predicted": ("0.02", "0.05", "0.1", "0.3"),
    "observed": ("0.01", "0.06", "0.09", "0.4"),
    "epoch": ("1", "2", "3", "4"),
    "train_loss": ("0.3", "0.2", "0.15", "0.1"),
    "val_loss": ("0.32", "0.25", "0.2", "0.21"),
    "val_auroc": ("0.6", "0.7", "0.8", "0.79"),
}


def made_rows():
    """A table with every column that a template asks for, as DVC reads it from a csv."""
    fixed = {"auroc": "0.8", "low": "0.7", "high": "0.9", "prevalence": "0.1", "images": "50"}
    return [
        {"finding": finding, "actual": finding, "called": called, "share": "0.25"}
        | {"system": ("ensemble", "metadata_only")[column % 2]}
        | {"stage": ("raw", "calibrated")[column % 2]}
        | {name: values[step] for name, values in SERIES.items()}
        | fixed
        for finding in FINDINGS
        for column, called in enumerate(FINDINGS)
        for step in range(4)
    ]


def made_ious():
    """The same of plots/iou.csv; baselines without an image reach 0.3 and 0.25."""
    return [
        {"finding": finding, "member": member, "method": method, "low": "0.1", "high": "0.4"}
        | {"iou": iou if member == "baseline" else "0.2"}
        for member in (*MEMBERS, "baseline")
        for method, iou in zip(METHODS, ("0.3", "0.25"), strict=True)
        for finding in ("Mass", "mean")
    ]


def rows_of(template):
    return made_ious() if template == "methods" else made_rows()


def filled(template, rows):
    """The Vega-Lite specification that `dvc plots diff` writes."""
    plot = PLOTS[template] | {"template": template}
    sources = {file: {"data": {"": rows}} for file in plot["y"]}
    read = {
        "definitions": {"data": {"dvc.yaml": {"data": {template: plot}}}},
        "sources": {"data": sources},
    }
    (matched,) = match_defs_renderers(dict.fromkeys(REVISIONS, read), templates_dir=FOLDER)
    assert not matched.definition_errors
    return matched.renderer.get_filled_template()


def svg(specification):
    vl_convert = pytest.importorskip("vl_convert")
    return vl_convert.vega_to_svg(vl_convert.vegalite_to_vega(specification))


def test_every_template_is_tested():
    assert sorted(PLOTS) == TEMPLATES


@pytest.mark.parametrize("template", TEMPLATES)
def test_dvc_fills_every_anchor(template):
    assert "<DVC_" not in json.dumps(filled(template, rows_of(template)))


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_rows_of_every_revision_are_in_it(template):
    rows = rows_of(template)
    values = filled(template, rows)["data"]["values"]
    for revision in REVISIONS:
        assert sum(row["rev"] == revision for row in values) >= len(rows)


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_finding_and_revision_is_named_in_the_picture(template):
    picture = svg(filled(template, rows_of(template)))
    names = NAMES.get(template, [finding.replace("_", " ") for finding in FINDINGS])
    assert [name for name in (*names, *REVISIONS) if f">{name}</text>" not in picture] == []


@pytest.mark.parametrize("template", ["roc", "pr"])
def test_a_curve_does_not_depend_on_the_order_of_its_rows_or_how_a_number_is_spelt(template):
    """DVC reads a csv as strings; Vega-Lite drops an `order` of two fields, so a window ranks."""
    rows = made_rows()
    turned = [row for finding in FINDINGS for row in rows[::-1] if row["finding"] == finding]
    spelt = [
        {column: value.replace("1e-05", "0.00001") for column, value in row.items()}
        for row in turned
    ]
    assert svg(filled(template, rows)) == svg(filled(template, spelt))


def drawn(specification, kind):
    """What a picture says of each mark of a kind to who cannot see it."""
    described = rf'aria-label="([^"]+)" role="[^"]+" aria-roledescription="{kind}"'
    return re.findall(described, svg(specification))


def test_methods_are_drawn_by_member_beside_the_best_box_without_an_image():
    picture = filled("methods", made_ious())
    points = drawn(picture, "point")
    assert len(points) == len(REVISIONS) * len(MEMBERS) * len(METHODS)
    assert not [point for point in points if "baseline" in point]
    bars = [rule for rule in drawn(picture, "rule mark") if rule.startswith("bar")]
    assert len(bars) == len(REVISIONS) * len(MEMBERS)
    assert all("bar: 0.3;" in bar for bar in bars)


def test_a_learning_curve_is_named_after_member_and_branch():
    assert ">Learning curves of model/global</text>" in svg(filled("curves", made_rows()))
