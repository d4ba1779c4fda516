"""Two runs beside each other: paired where the images are the same, and never else."""

import numpy as np
import pandas as pd
import pytest
from made_page import (
    RULE,
    SETTINGS,
    draw,
    made_cases,
    made_evaluation,
    made_figures,
    render_made,
)
from made_results import made_predictions, made_radiographs
from page_parts import Tags, words_of

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import positive
from pipeline.errors import ArtifactError
from pipeline.results.beside.origin_strip import with_origin
from pipeline.results.beside.revision_files import RunFiles
from pipeline.results.beside.two_pages import render_two_runs
from pipeline.results.beside.two_runs import compare_runs
from pipeline.results.statistics.metrics import auroc_of

BOOTSTRAP = {"replicates": 200, "min_patients": 2, "seed": 0}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return made_radiographs(tmp_path_factory.mktemp("cohort"), rule=RULE)


@pytest.fixture(scope="module")
def figures(cohort):
    return made_figures(cohort, made_evaluation(cohort))


@pytest.fixture(scope="module")
def this(cohort, figures):
    return RunFiles(
        systems=figures.systems,
        methods=figures.methods,
        settings=SETTINGS,
        params={"seed": 7, "train.batch_size": 32, "model.global": "resnet18"},
        ensemble=cohort[0].predictions,
        images=cohort[0].index,
        gallery=draw(cohort[0], 2),
    )


@pytest.fixture(scope="module")
def other(cohort, this):
    worse = made_predictions(cohort[0].index, cohort[1], signal=0.3, seed=9)
    params = {"seed": 7, "train.batch_size": 64, "model.global": "<b>"}
    return this._replace(ensemble=worse, params=params)


def test_differences_are_of_the_same_images(cohort, this, other):
    found = compare_runs(this, other, **BOOTSTRAP)
    assert found.paired
    assert not found.same
    labels = this.images.set_index("image_index")
    tests = [
        run.ensemble[run.ensemble["split"] == "test"].set_index("image_index")
        for run in (this, other)
    ]
    each = []
    for row in found.findings[:-1]:
        truth = positive(labels.loc[tests[0].index], row.finding)
        mine, theirs = (auroc_of(truth, one[row.finding].to_numpy()) for one in tests)
        each.append(mine - theirs)
        assert row.difference.estimate.value == pytest.approx(mine - theirs)
        low, high = row.difference.estimate.low, row.difference.estimate.high
        assert low < mine - theirs < high
    mean = found.findings[-1].difference.estimate
    assert mean.value == pytest.approx(np.mean(each))
    assert mean.low > 0  # a signal of 2.5 against one of 0.3


@pytest.mark.parametrize("what", ["images", "labels", "patients"])
def test_runs_of_other_test_images_stand_beside_each_other_without_a_difference(this, other, what):
    ensemble, images = other.ensemble, other.images
    if what == "images":
        ensemble = ensemble.iloc[:-1]
    elif what == "labels":
        images = images.assign(Mass=~images["Mass"])
    else:
        images = images.assign(patient_id=images["patient_id"] + 1)
    changed = other._replace(ensemble=ensemble, images=images)
    found = compare_runs(this, changed, **BOOTSTRAP)
    assert not found.paired
    assert [row.difference for row in found.findings] == [None] * (len(FINDINGS) + 1)
    page = render_two_runs(this, changed, found, names=("workspace", "exp"))
    assert "other test images, or other labels" in page


def test_the_same_run_is_said_to_be_the_same(this):
    found = compare_runs(this, this, **BOOTSTRAP)
    assert found.same
    assert found.changes == []
    assert {row.difference.estimate.value for row in found.findings} == {0.0}


def test_the_page_is_whole_and_escapes_what_it_is_told(this, other):
    found = compare_runs(this, other, **BOOTSTRAP)
    page = render_two_runs(this, other, found, names=("workspace", "<i>exp"))
    tags = Tags(page)
    assert tags.open == []
    assert tags.images_without_alt == 0
    assert "<i>exp" not in page
    assert "<td><b></td>" not in page
    settings = page[page.index('<section id="settings">') :].partition("</section>")[0]
    assert words_of(settings).endswith("train.batch_size 32 64 model.global resnet18 <b>")
    systems = page[page.index('<section id="systems">') :].partition("</section>")[0]
    mean = this.systems["ensemble"]["mean_auroc"]
    assert f'ensemble</th><td>{mean:.3f}<span class="within">' in systems
    assert page.count("<figure>") == 2 * len(this.gallery.examples)


def test_localisation_begins_with_the_best_heatmap_and_the_best_box(this, other):
    found = compare_runs(this, other._replace(methods={}), **BOOTSTRAP)
    assert [row.name for row in found.maps[:2]] == ["best heatmap", "best box without an image"]
    assert found.maps[0].this.value == max(
        entry["mean"]["iou"]
        for name, entry in this.methods["model"].items()
        if name.startswith(("cam", "attention")) and "grid" not in name
    )
    assert {row.other for row in found.maps} == {None}


def test_a_copy_of_the_page_says_where_it_is_from(cohort, figures, tmp_path):
    cases = made_cases(cohort[0], tmp_path / "cases")
    page = render_made(cases, cohort, figures, draw(cohort[0], 0))
    more = with_origin(page, [("commit", "abc <1>"), ("minutes", "3.0")])
    strip = words_of(more[more.index('<dl class="strip">') :].partition("</dl>")[0])
    assert strip.endswith("seed 7 commit abc <1> minutes 3.0")
    assert Tags(more).open == []
    with pytest.raises(ArtifactError, match="is of an older version"):
        with_origin("<p>", [])


def test_tables_of_other_order_are_the_same_images(this, other):
    shuffled = other._replace(images=other.images.sample(frac=1, random_state=0))
    assert isinstance(shuffled.images, pd.DataFrame)
    assert compare_runs(this, shuffled, **BOOTSTRAP).paired
