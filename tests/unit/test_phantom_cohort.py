"""The made cohort as a whole: same bytes with any workers, and no cheap way to read it."""

import dataclasses
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from pipeline.cohort.phantom.cohort import Cohort, make_cohort
from pipeline.cohort.phantom.picture import region_box
from pipeline.findings import BOXED_FINDINGS, FINDINGS
from pipeline.params import PhantomParams

SMALL = PhantomParams(seed=2, patients=50, size_px=128, label_noise=0.1, prevalence_scale=2.0)
COMMON = ("Infiltration", "Effusion", "Atelectasis", "Nodule", "Mass", "Pneumothorax")


def _decode(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.fixture(scope="module")
def made() -> Cohort:
    params = SMALL.model_copy(update={"patients": 400, "seed": 11})
    cohort = make_cohort(params, workers=1)
    return dataclasses.replace(cohort, images=list(cohort.images))


@pytest.fixture(scope="module")
def grey(made) -> np.ndarray:
    pictures = [_decode(image.png) for image in made.images]
    return np.stack([p if p.ndim == 2 else p[..., 0] for p in pictures])


def test_the_bytes_do_not_depend_on_the_number_of_workers():
    one, two = make_cohort(SMALL, workers=1), make_cohort(SMALL, workers=2)
    assert list(one.images) == list(two.images)
    assert one.entries.equals(two.entries)
    assert one.ceiling == two.ceiling


def test_tables_lists_and_images_name_the_same_files(made):
    names = [image.image_index for image in made.images]
    assert names == made.severities.index.to_list()
    assert sorted(names) == sorted(made.entries["image_index"])
    assert sorted(names) == sorted(made.train_val + made.test)


def test_rows_are_nearly_but_not_strictly_sorted(made):
    names = made.entries["image_index"].to_list()
    breaks = sum(a > b for a, b in pairwise(names))
    assert 0 < breaks < 0.1 * len(names)


def test_about_one_image_in_a_hundred_is_rgba_with_equal_colours(made):
    coloured = [p for p in (_decode(image.png) for image in made.images) if p.ndim == 3]
    assert 0 < len(coloured) < 0.03 * len(made.entries)
    for image in coloured:
        assert image.shape[2] == 4
        assert (image[..., 3] == 255).all()
        assert (image[..., :3] == image[..., :1]).all()


def test_boxes_are_on_test_images_that_have_the_finding_and_the_label(made):
    entries = made.entries.set_index("image_index")
    boxes = [(i.image_index, f, box) for i in made.images for f, box in i.boxes.items()]
    assert {finding for _, finding, _ in boxes} == set(BOXED_FINDINGS)
    for name, finding, box in boxes:
        assert name in made.test
        assert entries.loc[name, finding]
        assert made.severities.loc[name, finding] > 0
        assert 0 <= box.x < box.x + box.w <= SMALL.size_px
        assert 0 <= box.y < box.y + box.h <= SMALL.size_px


@given(x=st.integers(0, 20), y=st.integers(0, 20), w=st.integers(4, 10), h=st.integers(4, 10))
def test_a_box_is_tight_around_the_largest_part(x, y, w, h):
    region = np.zeros((40, 40), np.float32)
    region[y : y + h, x : x + w] = 0.8
    region[36:39, 36:39] = 1.0
    assert region_box(region) == (x, y, w, h)


def _auroc(made, column: str, scores: np.ndarray) -> float:
    """On the test list; `scores` are in the order of `made.severities`."""
    entries = made.entries.set_index("image_index").loc[made.severities.index]
    return float(roc_auc_score(entries[column][entries["test"]], scores[entries["test"]]))


def _fitted(made, column: str, features: np.ndarray) -> float:
    entries = made.entries.set_index("image_index").loc[made.severities.index]
    train = ~entries["test"].to_numpy()
    features = (features - features[train].mean(axis=0)) / (features[train].std(axis=0) + 1e-6)
    model = LogisticRegression(C=0.1).fit(features[train], entries[column][train])
    return _auroc(made, column, model.decision_function(features))


def test_metadata_alone_carries_some_signal_and_not_more(made):
    entries = made.entries.set_index("image_index").loc[made.severities.index]
    supine, female = entries["view_position"] == "AP", entries["gender"] == "F"
    features = np.stack([entries["age_years"], supine, female], axis=1).astype(float)
    found = {finding: _fitted(made, finding, features) for finding in FINDINGS}
    assert 0.53 < np.mean(list(found.values())) < 0.66
    assert found["Edema"] > 0.55
    assert found["Hernia"] > 0.6


def test_the_border_tells_next_to_nothing(made, grey):
    sides = [grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]]
    features = np.stack([side.mean(axis=1) for side in sides], axis=1)
    found = [_fitted(made, finding, features) for finding in COMMON]
    assert max(found) < 0.70
    assert np.mean(found) < 0.62


def test_no_common_finding_is_readable_from_one_pixel(made, grey):
    """The best pixel of a 32 px image, chosen on train_val and judged on test."""
    entries = made.entries.set_index("image_index").loc[made.severities.index]
    train = ~entries["test"].to_numpy()
    small = np.stack([cv2.resize(g, (32, 32), interpolation=cv2.INTER_AREA) for g in grey])
    pixels = small.reshape(len(small), -1).astype(float)
    ranks = rankdata(pixels[train], axis=0)
    found = {}
    for finding in COMMON:
        label = entries[finding].to_numpy()[train]
        lead = ranks[label].mean(axis=0) - ranks[~label].mean(axis=0)
        best = int(np.abs(lead).argmax())
        found[finding] = _auroc(made, finding, np.sign(lead[best]) * pixels[:, best])
    assert max(found.values()) < 0.78, found
    assert np.mean(list(found.values())) < 0.68, found
