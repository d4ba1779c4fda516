"""The synthetic cohort as a whole: same bytes with any workers, and no cheap way to read it."""

import dataclasses
import logging
from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from pipeline.base.findings import BOXED_FINDINGS, FINDINGS
from pipeline.base.pool import _CHUNK
from pipeline.cohort.phantom.cohort import Cohort, make_cohort
from pipeline.cohort.phantom.picture import region_box
from pipeline.params.sections import PhantomParams

log = logging.getLogger(__name__)

SMALL = PhantomParams(seed=2, patients=50, size_px=128, label_noise=0.1, prevalence_scale=2.0)

SIDE = 96


def _decode(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.fixture(scope="module")
def many() -> Cohort:
    params = SMALL.model_copy(update={"patients": 900, "seed": 12, "size_px": SIDE})
    cohort = make_cohort(params)
    return dataclasses.replace(cohort, images=list(cohort.images))


def test_the_bytes_do_not_depend_on_the_number_of_workers():
    few = SMALL.model_copy(update={"size_px": 64})
    one, two = (make_cohort(few, workers=workers) for workers in (1, 2))
    assert len(one.entries) >= 2 * 2 * _CHUNK  # of fewer no second process is started
    assert list(one.images) == list(two.images)
    assert one.entries.equals(two.entries)
    assert one.ceiling == two.ceiling


def test_tables_lists_and_images_name_the_same_files(many):
    names = [image.image_index for image in many.images]
    assert names == many.severities.index.to_list()
    assert sorted(names) == sorted(many.entries["image_index"])
    assert sorted(names) == sorted(many.train_val + many.test)


def test_rows_are_nearly_but_not_strictly_sorted(many):
    names = many.entries["image_index"].to_list()
    breaks = sum(a > b for a, b in pairwise(names))
    assert 0 < breaks < 0.1 * len(names)


def test_about_one_image_in_a_hundred_is_rgba_with_equal_colours(many):
    coloured = [p for p in (_decode(image.png) for image in many.images) if p.ndim == 3]
    assert 0 < len(coloured) < 0.03 * len(many.entries)
    for image in coloured:
        assert image.shape[2] == 4
        assert (image[..., 3] == 255).all()
        assert (image[..., :3] == image[..., :1]).all()


def test_boxes_are_on_test_images_that_have_the_finding_and_the_label(many):
    entries = many.entries.set_index("image_index")
    boxes = [(i.image_index, f, box) for i in many.images for f, box in i.boxes.items()]
    assert {finding for _, finding, _ in boxes} == set(BOXED_FINDINGS)
    for name, finding, box in boxes:
        assert name in many.test
        assert entries.loc[name, finding]
        assert many.severities.loc[name, finding] > 0
        assert 0 <= box.x < box.x + box.w <= SIDE
        assert 0 <= box.y < box.y + box.h <= SIDE


@given(x=st.integers(0, 20), y=st.integers(0, 20), w=st.integers(4, 10), h=st.integers(4, 10))
def test_a_box_is_tight_around_the_largest_part(x, y, w, h):
    region = np.zeros((40, 40), np.float32)
    region[y : y + h, x : x + w] = 0.8
    region[36:39, 36:39] = 1.0
    assert region_box(region) == (x, y, w, h)


@pytest.fixture(scope="module")
def small(many) -> np.ndarray:
    """The images of `many` at 32 px."""
    pictures = [_decode(image.png) for image in many.images]
    greys = [p if p.ndim == 2 else p[..., 0] for p in pictures]
    return np.stack([cv2.resize(g, (32, 32), interpolation=cv2.INTER_AREA) for g in greys])


Judge = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(features and labels to choose on, features to judge) to scores."""


def _cheaply_read(
    many: Cohort,
    features: np.ndarray,
    judge: Judge,
    name: str,
    taught: Callable[[np.ndarray], np.ndarray] = lambda features: features,
) -> dict[str, float]:
    """AUROC per finding, each half of the patients being judged by what the other half taught."""
    entries = many.entries.set_index("image_index").loc[many.severities.index]
    half = entries["patient_id"].to_numpy() % 2
    teaching = [taught(features[half != k]) for k in (0, 1)]
    found = {}
    for finding in FINDINGS:
        label = entries[finding].to_numpy()
        found[finding] = np.mean(
            [
                roc_auc_score(
                    label[half == k],
                    judge(teaching[k], label[half != k], features[half == k]),
                )
                for k in (0, 1)
            ]
        )
    mean, best = np.mean(list(found.values())), max(found, key=found.__getitem__)
    log.info("%s: mean AUROC %.3f, at most %.3f (%s)", name, mean, found[best], best)
    return found


def _linear(features: np.ndarray, label: np.ndarray, judged: np.ndarray) -> np.ndarray:
    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-6
    model = LogisticRegression(C=0.1).fit((features - mean) / std, label)
    return model.decision_function((judged - mean) / std)


def _ranks(features: np.ndarray) -> np.ndarray:
    return rankdata(features, axis=0)


def _best_pixel(ranks: np.ndarray, label: np.ndarray, judged: np.ndarray) -> np.ndarray:
    lead = ranks[label].mean(axis=0) - ranks[~label].mean(axis=0)
    best = int(np.abs(lead).argmax())
    return np.sign(lead[best]) * judged[:, best]


def test_metadata_alone_carries_some_signal_and_not_more(many):
    entries = many.entries.set_index("image_index").loc[many.severities.index]
    supine, female = entries["view_position"] == "AP", entries["gender"] == "F"
    features = np.stack([entries["age_years"], supine, female], axis=1).astype(float)
    found = _cheaply_read(many, features, _linear, "age, gender and view")
    log.info("the best that anyone could reach: mean AUROC %.3f", many.ceiling["mean_auroc"])
    assert 0.53 < np.mean(list(found.values())) < 0.60
    assert max(found.values()) < 0.70, found
    assert found["Edema"] > 0.55
    assert found["Hernia"] > 0.57


def test_the_border_tells_next_to_nothing(many, small):
    sides = [small[:, 0], small[:, -1], small[:, :, 0], small[:, :, -1]]
    features = np.concatenate([side.reshape(len(small), 8, 4).mean(axis=2) for side in sides], 1)
    found = _cheaply_read(many, features, _linear, "border")
    assert max(found.values()) < 0.67, found
    assert np.mean(list(found.values())) < 0.56, found


def test_brightness_and_contrast_tell_next_to_nothing(many, small):
    features = np.stack([small.mean(axis=(1, 2)), small.std(axis=(1, 2))], axis=1)
    found = _cheaply_read(many, features, _linear, "brightness and contrast")
    assert max(found.values()) < 0.65, found
    assert np.mean(list(found.values())) < 0.55, found


def test_no_finding_is_readable_from_one_pixel(many, small):
    pixels = small.reshape(len(small), -1).astype(float)
    found = _cheaply_read(many, pixels, _best_pixel, "best pixel of 32 x 32", _ranks)
    assert max(found.values()) < 0.75, found
    assert np.mean(list(found.values())) < 0.66, found
