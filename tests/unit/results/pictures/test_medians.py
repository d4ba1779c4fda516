"""The radiographs of the page: which ones, and what is drawn on them."""

import base64
from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_results import made_radiographs

from pipeline.attention.crop import BoxRule
from pipeline.base.findings import BOXED_FINDINGS, FINDINGS
from pipeline.base.grid import tiles
from pipeline.errors import ArtifactError
from pipeline.results.pictures.gallery import read_gallery, write_gallery
from pipeline.results.pictures.medians import draw_gallery, rank
from pipeline.results.pictures.overlays import overlay
from pipeline.results.pictures.shown import of_findings, shown_member, shown_method

RULE = BoxRule(0.5, "peak")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return made_radiographs(tmp_path_factory.mktemp("cohort"), rule=RULE)


@pytest.fixture(scope="module")
def gallery(cohort):
    return draw_gallery(cohort[0], member="model", method="cam", examples=3)


def test_images_are_ranked_from_the_best_to_the_worst_of_the_test_images(cohort):
    radiographs, splits, _ = cohort
    test = set(splits.loc[splits["split"].eq("test"), "image_index"])
    labels = radiographs.index.set_index("image_index")
    for finding in FINDINGS:
        ranked = rank(radiographs, finding, "cam")
        boxed = finding in BOXED_FINDINGS
        assert ranked.by == ("IoU" if boxed else "probability")
        worth = [
            radiographs.seen(name, finding, "cam").iou
            if boxed
            else radiographs.test.loc[name, finding]
            for name in ranked.names
        ]
        assert worth == sorted(worth, reverse=True)
        assert set(ranked.names) <= test
        assert labels.loc[ranked.names, finding].all()


def test_the_large_ones_are_medians_of_the_findings_with_most_boxes(cohort, gallery):
    radiographs = cohort[0]
    many = {finding: len(radiographs.boxed(finding)) for finding in BOXED_FINDINGS}
    shown = [picture.finding for picture in gallery.examples]
    assert len(shown) == 3
    assert [many[name] for name in shown] == sorted(many.values(), reverse=True)[:3]
    for picture in gallery.examples:
        names = rank(radiographs, picture.finding, "cam").names
        assert (picture.image_index, picture.of) == (names[(len(names) - 1) // 2], len(names))


def test_an_example_shows_the_boxes_of_its_own_finding(gallery):
    for picture in gallery.examples:
        assert len(picture.truths) == 1
        # the made heatmap is hot in the true box
        assert picture.panels[0].iou == pytest.approx(1, abs=0.3)


def test_a_finding_s_own_map_is_shown_where_there_is_one():
    assert of_findings({"attention", "gradcam_pp", "layercam"}) == "gradcam_pp"
    assert of_findings({"attention"}) == "attention"


def test_the_member_is_the_one_that_validation_prefers():
    systems = {
        "model.fusion": {"val_mean_auroc": 0.7, "mean_auroc": 0.9},
        "second.fusion": {"val_mean_auroc": 0.8, "mean_auroc": 0.6},
        "elsewhere": {"val_mean_auroc": 0.9},
    }
    assert shown_member(systems) == "second"
    assert shown_member({"second.fusion": {"mean_auroc": 0.9}}) == "model"


def test_the_heatmap_is_the_stored_one_of_greatest_iou():
    methods = {
        name: {"mean": {"iou": iou}}
        for name, iou in {"cam": 0.2, "attention": 0.3, "cam_fitted": 0.9}.items()
    }
    assert shown_method(methods, ["attention", "cam"]) == "attention"
    assert shown_method({}, ["attention", "cam"]) == "cam"


def test_methods_are_compared_on_one_radiograph_of_each_finding(gallery):
    assert [picture.finding for picture in gallery.compared] == list(FINDINGS)
    for picture in gallery.compared:
        assert [panel.method for panel in picture.panels] == ["attention", "cam"]
        assert picture.panels[0].predicted is None  # made empty


def test_an_example_names_the_three_most_probable_findings(cohort, gallery):
    picture = gallery.examples[0]
    probs = [prob for _, prob in picture.likely]
    row = cohort[0].predictions.set_index("image_index").loc[picture.image_index]
    assert probs == sorted(row[list(FINDINGS)].astype(float), reverse=True)[:3]


def test_a_picture_is_a_jpeg_of_the_radiograph(cohort, gallery):
    picture = gallery.examples[0]
    encoded = base64.b64decode(picture.plain.partition(",")[2])
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)
    original = cohort[0].images[cohort[0].rows[picture.image_index]]
    assert np.corrcoef(image.ravel(), original.ravel())[0, 1] > 0.9


def test_the_pictures_are_the_same_when_they_were_written_and_read(gallery, tmp_path):
    write_gallery(gallery, tmp_path / "pictures.json")
    back = read_gallery(tmp_path / "pictures.json")
    assert repr(back) == repr(gallery)
    assert any(picture.panels[0].predicted is None for picture in back.compared)


def test_images_that_are_not_the_indexs_are_refused(cohort):
    with pytest.raises(ArtifactError, match=r"images: .* rows for the"):
        replace(cohort[0], index=cohort[0].index.iloc[1:])


def test_an_empty_heatmap_leaves_the_radiograph_as_it_is():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert (overlay(image, np.zeros((2, 2), np.float32), tiles(2)) == image[:, :, None]).all()


def test_the_overlay_is_where_the_heatmap_is():
    heatmap = np.zeros((4, 4), np.float32)
    heatmap[0, 3] = 7
    coloured = (overlay(np.zeros((64, 64), np.uint8), heatmap, tiles(4)) > 0).any(axis=2)
    assert coloured[:10, 54:].all()
    assert not coloured[32:, :].any()


def test_a_finding_without_test_positives_has_no_picture(cohort):
    radiographs = cohort[0]
    index = radiographs.index.assign(Hernia=False)
    drawn = draw_gallery(
        replace(radiographs, index=index), member="model", method="cam", examples=20
    )
    assert [one.finding for one in drawn.compared] == [one for one in FINDINGS if one != "Hernia"]
