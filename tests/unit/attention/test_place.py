"""Which map draws a crop: what points nowhere is not passed off as a crop, and is counted."""

import logging

import numpy as np
import pandas as pd
import pytest

from pipeline.attention.crop import BoxRule, heatmap_box
from pipeline.attention.heatmaps import Maps
from pipeline.attention.place import place_crops
from pipeline.base.findings import FINDINGS
from pipeline.base.grid import tiles
from pipeline.base.shards import Shards, write_shards
from pipeline.errors import ArtifactError
from pipeline.params.sections import CropParams

CORNERS = ["x1", "y1", "x2", "y2"]
NOUGHT = (0.0,) * len(FINDINGS)
EMPTY, FLAT = np.zeros((7, 7)), np.full((7, 7), 6.0)


def spot(row, column):
    heatmap = np.zeros((7, 7))
    heatmap[row, column] = 1
    return heatmap


def crop_params(**other):
    plain = {
        "method": "attention",
        "top": 1,
        "threshold": 0.7,
        "region": "peak",
        "margin": 0.0,
        "min_side": 0.0,
        "windows": 0,
        "side": 0.25,
    }
    return CropParams(**plain | {"input_size": 32} | other)


def placed(folder, images, prior=NOUGHT, **params):
    """`images`: attention map, maps by finding (others are empty) and logits by finding."""
    rows = [
        {
            "attention": attention[None].astype(np.float16),
            "cam": np.stack([maps.get(name, EMPTY) for name in FINDINGS]).astype(np.float16),
        }
        for attention, maps, _ in images
    ]
    write_shards(rows, folder)
    logits = np.array([[its.get(name, -9.0) for name in FINDINGS] for *_, its in images])
    index = pd.DataFrame({"image_index": [f"{n}.png" for n in range(len(images))]})
    maps = {name: Maps(Shards(folder, name), tiles(7)) for name in ("attention", "cam")}
    return place_crops(index, maps, logits, np.array(prior), crop_params(**params))


def box_of(heatmap):
    return heatmap_box(heatmap, tiles(7), BoxRule(0.7, "peak"))


def test_an_attention_map_that_points_nowhere_leaves_the_whole_image_and_says_so(tmp_path, caplog):
    almost_flat = np.linspace(0.8, 1, 49).reshape(7, 7)
    images = [(one, {}, {}) for one in (spot(1, 1), EMPTY, FLAT, almost_flat)]
    with caplog.at_level(logging.INFO):
        table = placed(tmp_path / "m", images)
    assert table["source"].tolist() == ["attention"] + 3 * ["whole image"]
    assert table["finding"].isna().all()
    assert (table.loc[1:, CORNERS] == [0, 0, 1, 1]).all(axis=None)
    assert table.loc[0, CORNERS].tolist() == pytest.approx(list(box_of(spot(1, 1))))
    assert "1 of 4 crops are drawn by attention" in caplog.text
    assert "3 are the whole image" in caplog.text


def test_the_map_of_the_most_probable_finding_draws_the_crop(tmp_path):
    maps = {"Mass": spot(1, 5), "Hernia": spot(5, 1)}
    images = [
        (FLAT, maps, {"Mass": 1.0, "Hernia": 0.0}),
        (FLAT, maps, {"Mass": 1.0, "Hernia": 2.0}),
    ]
    table = placed(tmp_path / "m", images, method="cam")
    assert table["finding"].tolist() == ["Mass", "Hernia"]
    assert table["source"].tolist() == ["cam", "cam"]
    assert table.loc[0, CORNERS].tolist() == pytest.approx(list(box_of(spot(1, 5))))
    assert table.loc[1, CORNERS].tolist() == pytest.approx(list(box_of(spot(5, 1))))


def test_the_boxes_of_the_top_findings_are_joined(tmp_path):
    maps = {"Mass": spot(1, 5), "Hernia": spot(5, 1), "Edema": spot(6, 6)}
    images = [(FLAT, maps, {"Mass": 1.0, "Hernia": 2.0})]
    table = placed(tmp_path / "m", images, method="cam", top=2)
    one, other = box_of(spot(1, 5)), box_of(spot(5, 1))
    assert table["finding"].tolist() == ["Hernia|Mass"]
    joined = [other[0], one[1], one[2], other[3]]
    assert table.loc[0, CORNERS].tolist() == pytest.approx(joined)


def test_a_finding_s_empty_map_falls_back_to_attention_and_then_to_the_whole_image(
    tmp_path, caplog
):
    likely = {"Mass": 1.0}
    images = [
        (spot(2, 2), {}, likely),
        (spot(2, 2), {"Mass": FLAT}, likely),
        (EMPTY, {}, likely),
        (spot(2, 2), {"Mass": spot(4, 4)}, likely),
    ]
    with caplog.at_level(logging.INFO):
        table = placed(tmp_path / "m", images, method="cam")
    assert table["source"].tolist() == ["attention", "attention", "whole image", "cam"]
    assert table["finding"].isna().tolist() == [True, True, True, False]
    assert table.loc[0, CORNERS].tolist() == pytest.approx(list(box_of(spot(2, 2))))
    assert "1 of 4 crops are drawn by cam, 2 by attention in its place, 1 are" in caplog.text


def test_of_several_findings_the_empty_map_is_left_out(tmp_path):
    maps = {"Hernia": spot(5, 1)}
    images = [(FLAT, maps, {"Mass": 3.0, "Hernia": 2.0})]
    table = placed(tmp_path / "m", images, method="cam", top=2)
    assert table["finding"].tolist() == ["Hernia"]
    assert table.loc[0, CORNERS].tolist() == pytest.approx(list(box_of(spot(5, 1))))


def test_margin_and_least_side_are_of_the_joined_box(tmp_path):
    images = [(FLAT, {"Mass": spot(3, 2), "Hernia": spot(3, 4)}, {"Mass": 1.0, "Hernia": 2.0})]
    params = {"method": "cam", "top": 2, "margin": 0.2, "min_side": 0.4}
    box = placed(tmp_path / "m", images, **params).loc[0, CORNERS].to_numpy(float)
    one, other = box_of(spot(3, 2)), box_of(spot(3, 4))
    width = other[2] - one[0]
    assert box[2:] - box[:2] == pytest.approx([max(1.4 * width, 0.4), 0.4])
    assert (box[2:] + box[:2]) / 2 == pytest.approx([0.5, 0.5])


def test_a_crop_that_would_be_the_whole_image_points_nowhere(tmp_path):
    corners = {"Mass": spot(0, 0), "Hernia": spot(6, 6)}
    likely = {"Mass": 1.0, "Hernia": 2.0}
    images = [(spot(2, 2), corners, likely), (EMPTY, corners, likely)]
    table = placed(tmp_path / "m", images, method="cam", top=2, margin=0.5)
    assert table["source"].tolist() == ["attention", "whole image"]


def test_maps_of_another_cohort_are_refused(tmp_path):
    write_shards([{"attention": spot(1, 1)[None]}], tmp_path / "m")
    index = pd.DataFrame({"image_index": ["a.png", "b.png"]})
    maps = {"attention": Maps(Shards(tmp_path / "m", "attention"), tiles(7))}
    with pytest.raises(ArtifactError, match="attention heatmaps: 1 rows for the 2 images"):
        place_crops(index, maps, np.zeros((2, 14)), np.zeros(14), crop_params())


def test_windows_are_of_the_findings_furthest_above_what_is_usual(tmp_path):
    maps = {name: spot(1, column) for column, name in enumerate(FINDINGS[:7])}
    maps |= {"Mass": spot(5, 1), "Hernia": spot(5, 5)}
    usual = [0.0 if name == "Hernia" else -3.0 for name in FINDINGS]
    logits = {"Hernia": 0.5, "Mass": 0.0, FINDINGS[0]: -1.0, FINDINGS[1]: -1.5, FINDINGS[2]: -1.7}
    table = placed(
        tmp_path / "m", [(FLAT, maps, logits)], usual, method="cam", windows=4, side=0.2
    )
    assert table["image_index"].tolist() == ["0.png"] * 4
    assert table["finding"].tolist() == ["Mass", *FINDINGS[:3]]
    middles = (table[["x1", "y1"]].to_numpy() + table[["x2", "y2"]].to_numpy()) / 2
    assert middles == pytest.approx(
        np.array([[1.5, 5.5], [0.7, 1.5], [1.5, 1.5], [2.5, 1.5]]) / 7, abs=0.03
    )


@pytest.mark.parametrize("windows", [0, 1])
def test_a_finding_that_was_never_learnt_draws_no_crop(tmp_path, windows):
    maps = {"Mass": spot(1, 5), "Hernia": spot(5, 1)}
    prior = [np.inf if name == "Hernia" else -3.0 for name in FINDINGS]
    images = [(FLAT, maps, {"Mass": -1.0, "Hernia": 2.0})]
    table = placed(tmp_path / "m", images, prior, method="cam", windows=windows)
    assert table["finding"].tolist() == ["Mass"]


def test_a_window_of_an_empty_map_is_attention_s_and_then_the_whole_image(tmp_path):
    images = [(spot(2, 2), {"Mass": spot(5, 5)}, {"Mass": 1.0}), (EMPTY, {}, {})]
    table = placed(tmp_path / "m", images, method="cam", windows=4, side=0.25)
    assert table["source"].tolist() == ["cam"] + ["attention"] * 3 + ["whole image"] * 4
    assert table["finding"].isna().tolist() == [False] + [True] * 7
    assert (table.loc[4:, CORNERS] == [0, 0, 1, 1]).all(axis=None)


def test_windows_that_attention_draws_for_one_image_lie_apart(tmp_path):
    peaks = spot(1, 1) + 0.8 * spot(1, 5) + 0.6 * spot(5, 5)
    images = [(peaks, {"Mass": spot(1, 1)}, {"Mass": 1.0})]
    table = placed(tmp_path / "m", images, method="cam", windows=4, side=0.25)
    assert table["source"].tolist() == ["cam"] + ["attention"] * 3
    middles = (table[["x1", "y1"]].to_numpy() + table[["x2", "y2"]].to_numpy()) / 2
    assert middles[:3] == pytest.approx(
        np.array([[1.5, 1.5], [5.5, 1.5], [5.5, 5.5]]) / 7, abs=0.03
    )
    assert not table[CORNERS].duplicated().any()


def test_attention_looks_where_no_finding_s_window_lies_whatever_its_rank(tmp_path):
    peaks = spot(1, 1) + 0.5 * spot(5, 5)
    images = [(peaks, {"Mass": spot(1, 1)}, {"Nodule": 1.0, "Mass": 0.5})]
    table = placed(tmp_path / "m", images, method="cam", windows=4, side=0.25)
    assert table["source"].tolist()[:2] == ["attention", "cam"]
    assert (table.loc[0, ["x1", "y1"]] > 0.5).all()


def test_windows_of_two_findings_in_one_place_are_both_cut(tmp_path):
    images = [(FLAT, {"Mass": spot(1, 5), "Nodule": spot(1, 5)}, {"Mass": 1.0, "Nodule": 0.5})]
    table = placed(tmp_path / "m", images, method="cam", windows=4, side=0.25)
    assert table["finding"].tolist()[:2] == ["Mass", "Nodule"]
    assert table.loc[0, CORNERS].tolist() == table.loc[1, CORNERS].tolist()
    assert not table.loc[1:, CORNERS].duplicated().any()


def test_a_window_that_would_be_the_whole_image_points_nowhere(tmp_path):
    images = [(spot(2, 2), {"Mass": spot(1, 1)}, {"Mass": 1.0})]
    table = placed(tmp_path / "m", images, method="cam", windows=1, side=1.0)
    assert table["source"].tolist() == ["whole image"]
