"""The page of doubtful labels: self-contained, escaped, and what it says of a label."""

import re

import numpy as np
import pandas as pd
import pytest
from made_results import (
    made_boxes,
    made_heatmaps,
    made_images,
    made_index,
    made_predictions,
    made_splits,
)
from page_parts import Tags, words_of

from pipeline.attention.crop import BoxRule
from pipeline.errors import CohortError
from pipeline.results.suspects.label_scores import SCORES
from pipeline.results.suspects.ranking import rank_labels, spelt
from pipeline.results.suspects.suspect_page import (
    MEANINGS,
    place,
    render_suspects,
    suspects_of,
)
from pipeline.results.suspects.suspect_pictures import (
    Heatmaps,
    cached_radiographs,
    draw_suspect,
    drawing_member,
    loose_radiographs,
)
from tests.unit.tiny_cohort import pixels, png

EVIL = '"><script>alert(1)</script>&.png'


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suspects")
    index = made_index(24, 2)
    splits = made_splits(index)
    evil = index["image_index"].eq("00000001_000.png")
    index["image_index"] = index["image_index"].mask(evil, EVIL)
    splits["image_index"] = index["image_index"]
    boxes = made_boxes(index, splits)
    maps = made_heatmaps(index, boxes, folder / "maps")["cam"]
    rows = {name: row for row, name in enumerate(index["image_index"])}
    heatmaps = Heatmaps("model's cam", maps, rows, BoxRule(0.5, "peak"))
    images = made_images(index, folder / "images")
    return index, made_predictions(index, splits, signal=2.0), images, heatmaps, boxes


@pytest.fixture(scope="module")
def ranking(cohort):
    return rank_labels(cohort[1], cohort[0], SCORES["odds"])


def suspects(cohort, shown, *, heatmaps=True):
    index, predictions, images, maps, boxes = cohort
    radiograph = cached_radiographs(images, index)
    pictures = [
        draw_suspect(row.image_index, row.finding, radiograph, maps if heatmaps else None, boxes)
        for row in shown.itertuples()
    ]
    return suspects_of(shown, predictions, index, pictures)


def render(cohort, ranking, shown, **other):
    given = {"score": "odds", "read": f"{EVIL}: 32 images", "only": [], "heatmap": "model's cam"}
    return render_suspects(suspects(cohort, shown), ranking, **given | other)


@pytest.fixture(scope="module")
def shown(ranking):
    """The first labels, and some of the image with the odd name."""
    odd = ranking.labels[ranking.labels["image_index"].eq(EVIL)]
    return pd.concat([ranking.labels.head(30), odd.tail(5)])


@pytest.fixture(scope="module")
def page(cohort, ranking, shown):
    return render(cohort, ranking, shown)


def test_tags_are_closed_and_nothing_is_fetched(page):
    tags = Tags(page)
    assert tags.open == []
    assert all(source.startswith(("data:image/", "#")) for source in tags.sources)
    assert not re.search(r"https?://|@import|url\(|<script|<link", page)


def test_every_string_is_escaped(page, shown):
    assert shown["image_index"].eq(EVIL).any()
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;.png") > 5


def test_it_is_readable_on_a_phone_and_in_the_dark(page):
    assert '<meta name="viewport" content="width=device-width' in page
    assert "prefers-color-scheme: dark" in page
    style = "".join(re.findall(r"<style>.*?</style>", page, re.S))
    assert "minmax(min(19rem, 100%), 1fr)" in style
    inline = re.findall(r' style="[^"]*"', page)
    assert inline == []


def test_a_card_says_finding_label_probability_and_what_is_usual(page, ranking):
    first = ranking.labels.iloc[0]
    said = words_of(re.search(r'<figure id="rank-1">.*?</figure>', page, re.S)[0])
    assert first["finding"].replace("_", " ") in said
    assert ("given" if first["labelled"] else "not given") in said
    assert f"chance wrong {first['score']:.2f}" in said
    assert f"P = {spelt(first['prob'])}" in said
    assert f"{100 * first['beyond']:.1f}" in said
    ends = [first[f"{side}_{end}"] for side in ("usual", "other") for end in ("low", "high")]
    assert all(spelt(end) in said for end in ends)
    assert first["image_index"] in said


def test_a_radiograph_stands_beside_its_heatmap_with_boxes(cohort, ranking):
    boxes = cohort[4]
    keys = set(zip(boxes["image_index"], boxes["finding"], strict=True))
    rows = ranking.labels
    boxed = rows[[key in keys for key in zip(rows["image_index"], rows["finding"], strict=True)]]
    page = render(cohort, ranking, boxed.head(1))
    card = re.search(r"<figure.*?</figure>", page, re.S)[0]
    assert card.count("data:image/jpeg;base64,") == 2
    assert "boxed by a radiologist" in card
    truth, predicted = (
        np.array(re.findall(rf'<rect class="{kind}" x="([\d.]+)" y="([\d.]+)"', card), float)
        for kind in ("truth", "predicted")
    )
    assert len(truth) == len(predicted) == 1
    assert truth == pytest.approx(predicted, abs=2)  # the made map is hot in the true box alone


def test_whose_heatmaps_are_shown_is_chosen_on_validation():
    systems = {
        "ensemble": {"val_mean_auroc": 0.9}, "model.global": {"val_mean_auroc": 0.6},
        "second.global": {"val_mean_auroc": 0.8}, "second.local": {"val_mean_auroc": 0.85},
    }  # fmt: skip
    assert drawing_member("ensemble", systems) == "second"
    assert drawing_member("", systems) == "second"
    assert drawing_member("model.fusion", systems) == "model"
    without = {"a.global": {}, "model.global": {}}
    assert drawing_member("ensemble", without) == drawing_member("ensemble", {}) == "model"


def test_an_empty_heatmap_is_said(cohort, ranking):
    boxes = cohort[4]
    keys = set(zip(boxes["image_index"], boxes["finding"], strict=True))
    rows = ranking.labels
    empty = [key not in keys for key in zip(rows["image_index"], rows["finding"], strict=True)]
    page = render(cohort, ranking, rows[empty].head(1))
    assert "the heatmap is empty" in page
    assert "boxed by" not in page


def test_without_heatmaps_there_is_the_radiograph_alone(cohort, ranking):
    few = suspects(cohort, ranking.labels.head(2), heatmaps=False)
    page = render_suspects(few, ranking, score="odds", read="r", only=[], heatmap=None)
    assert page.count("data:image/jpeg;base64,") == 2
    assert "colour scale of the heatmap" not in page
    assert "scaled by its own maximum" not in page
    assert Tags(page).open == []


def test_a_radiograph_that_is_not_at_hand_is_said(cohort, ranking):
    few = suspects_of(ranking.labels.head(2), cohort[1], cohort[0], [None, None])
    page = render_suspects(few, ranking, score="odds", read="r", only=[], heatmap=None)
    assert page.count("radiograph not at hand") == 2


def test_no_label_at_all_is_a_page_too(cohort, ranking):
    page = render(cohort, ranking, ranking.labels.head(0), only=["Hernia"])
    assert "<p>None.</p>" in page
    assert "Shown: Hernia, and no others." in page
    assert Tags(page).open == []


def test_the_table_of_what_is_usual_counts_the_labels_shown(cohort, ranking, shown, page):
    rows = re.search(r'<section id="usual">.*?</section>', page, re.S)[0]
    cells = re.findall(r"<td>([\d,]+)</td>", rows)
    counts = [int(one) for one in cells[1::2]]
    assert sum(counts) == len(shown)


def test_every_score_is_explained():
    assert MEANINGS.keys() == SCORES.keys()


def test_a_place_on_the_scale_is_that_of_the_log_odds():
    assert [place(one) for one in (0.0, 0.001, 0.5, 0.999, 1.0)] == [0, 0, 50, 100, 100]
    assert place(0.1) + place(0.9) == pytest.approx(100, abs=0.02)


def test_radiographs_of_a_folder_are_found_whatever_their_ending(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/00000001_000.PNG").write_bytes(png(pixels(1, 64, 64)))
    read = loose_radiographs(tmp_path)
    assert read("00000001_000.png").shape == (64, 64)
    assert read("00000002_000.png") is None
    (tmp_path / "deep/00000001_000.PNG").write_bytes(b"no picture")
    with pytest.raises(CohortError, match=r"00000001_000\.PNG: neither PNG"):
        read("00000001_000.png")


def test_a_folder_without_radiographs_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(CohortError, match="radiograph"):
            loose_radiographs(folder)
