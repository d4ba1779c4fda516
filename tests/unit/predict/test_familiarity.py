"""Whether an image looks like the training images: known answers, and what a chest is not."""

import numpy as np
import pandas as pd
import pytest

from pipeline.base.shards import Shards, write_shards
from pipeline.cohort.phantom.cohort import make_cohort
from pipeline.cohort.reading.images import decode_grey, resize_square, thumbnail
from pipeline.errors import ArtifactError
from pipeline.networks.checkpoints import write_checkpoint
from pipeline.params.sections import PhantomParams
from pipeline.predict.about.familiarity import (
    FALSE_ALARMS,
    fit_familiarity,
    read_familiarity,
    write_familiarity,
)


def tables(number):
    names = [f"{row}.png" for row in range(number)]
    index = pd.DataFrame({"image_index": names})
    splits = np.where(np.arange(number) % 3 == 0, "val", "train")
    return index, pd.DataFrame({"image_index": names, "split": splits})


def fitted(thumbnails, folder):
    write_shards(({"image": one} for one in thumbnails), folder)
    return fit_familiarity(Shards(folder), *tables(len(thumbnails)))


@pytest.fixture(scope="module")
def chests():
    """Synthetic radiographs at 128 px."""
    params = PhantomParams(
        seed=3, patients=150, size_px=128, label_noise=0.1, prevalence_scale=2.0
    )
    return np.stack(
        [resize_square(decode_grey(one.png).pixels, 128) for one in make_cohort(params).images]
    )


@pytest.fixture(scope="module")
def familiar(chests, tmp_path_factory):
    half = len(chests) // 2
    folder = tmp_path_factory.mktemp("familiar") / "thumbnails"
    return fitted([thumbnail(one) for one in chests[:half]], folder)


def seen(familiar, images):
    return familiar.is_familiar(np.stack([thumbnail(one) for one in images]))


def test_other_chests_are_familiar(familiar, chests):
    unknown = ~seen(familiar, chests[len(chests) // 2 :])
    assert unknown.mean() < 0.1  # the limit is a quantile of few validation images


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("inverted", lambda one: 255 - one),
        ("upside down", lambda one: one[::-1]),
        ("on its side", np.rot90),
        ("a quarter of it", lambda one: np.kron(one[32:64, 32:64], np.ones((4, 4), np.uint8))),
        ("noise", lambda one: np.random.default_rng(one[0, 0]).integers(0, 256, one.shape)),
        ("black", np.zeros_like),
        ("nearly flat", lambda one: 100 + one // 200),
        ("a gradient", lambda one: np.tile(np.arange(128, dtype=np.uint8), (128, 1))),
    ],
)
def test_what_is_no_upright_chest_is_not(familiar, chests, what, change):
    changed = [np.ascontiguousarray(change(one), np.uint8) for one in chests[-40:]]
    assert (~seen(familiar, changed)).mean() > 0.9, what


def test_brightness_and_contrast_do_not_matter(familiar, chests):
    darker = [(one * 0.4 + 20).astype(np.uint8) for one in chests[-40:]]
    assert seen(familiar, darker).mean() > 0.9


def test_the_limit_is_the_stated_quantile_of_validation_images(tmp_path):
    rng = np.random.default_rng(0)
    thumbnails = rng.integers(0, 256, (900, 16, 16), np.uint8)
    found = fitted(thumbnails, tmp_path / "thumbnails")
    distances = found.distances(thumbnails[::3])
    assert (distances > found.limit).mean() == pytest.approx(FALSE_ALARMS, abs=0.004)
    assert np.median(distances) == pytest.approx(1, abs=0.15)


def test_it_is_read_as_it_was_written(familiar, chests, tmp_path):
    write_familiarity(familiar, tmp_path / "a.safetensors")
    again = read_familiarity(tmp_path / "a.safetensors")
    some = np.stack([thumbnail(one) for one in chests[:9]])
    np.testing.assert_allclose(again.distances(some), familiar.distances(some), rtol=1e-4)
    write_checkpoint({}, {"backbone": "x"}, tmp_path / "b.safetensors")
    with pytest.raises(ArtifactError, match="something else"):
        read_familiarity(tmp_path / "b.safetensors")
