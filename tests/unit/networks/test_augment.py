"""Augmentation: per sample, nothing where nothing is asked, and boxes move with their images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training_numbers import NO_CHANGE

from pipeline.networks.augment import (
    DRAWN,
    augmentation,
    moved_boxes,
    resample,
    sampling_matrices,
    to_unit,
)

EACH = {
    "flip": 0.5,
    "rotation_degrees": 15.0,
    "shift": 0.1,
    "scale": 0.2,
    "crop": 0.3,
    "contrast": 0.4,
}
ALL = NO_CHANGE.model_copy(update=EACH)


def drawn(images, seed=0):
    return torch.rand(DRAWN, len(images), generator=torch.Generator().manual_seed(seed))


def asked(**numbers):
    return augmentation(NO_CHANGE.model_copy(update=numbers), alpha=False)


def test_bytes_become_the_unit_interval():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1)
    torch.testing.assert_close(to_unit(images).ravel(), torch.tensor([0.0, 0.2, 1.0]))


def test_nothing_is_done_when_nothing_is_asked():
    images = torch.rand(4, 1, 8, 8)
    (same,) = augmentation(NO_CHANGE, alpha=True)((images,), drawn(images))
    assert same is images


def test_a_certain_flip_is_the_mirror_image():
    images = torch.rand(4, 1, 9, 6)
    (flipped,) = asked(flip=1.0)((images,), drawn(images))
    torch.testing.assert_close(flipped, images.flip(-1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", EACH)
def test_each_change_is_drawn_per_sample_and_the_numbers_decide(name):
    images = torch.rand(1, 1, 32, 32).expand(8, -1, -1, -1)
    augment = asked(**{name: EACH[name]})
    (one,), (again,), (other,) = (augment((images,), drawn(images, seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    kinds = len({image.numpy().tobytes() for image in one})
    assert kinds == (2 if name == "flip" else 8)


@pytest.mark.parametrize("name", EACH)
def test_an_image_is_changed_alike_in_whatever_batch_it_is(name):
    images = torch.rand(6, 1, 16, 16)
    augment, numbers = asked(**{name: EACH[name]}), drawn(images)
    (whole,) = augment((images,), numbers)
    (part,) = augment((images[2:4],), numbers[:, 2:4])
    torch.testing.assert_close(part, whole[2:4], rtol=0, atol=1e-6)


def test_an_image_and_its_crop_are_changed_alike_and_numbers_are_not():
    images, known = torch.rand(8, 1, 16, 16), torch.rand(8, 4)
    first, second, same = augmentation(ALL, alpha=False)((images, images, known), drawn(images))
    assert torch.equal(first, second)
    assert not torch.equal(first, images)
    assert same is known


def test_rotation_keeps_the_shape_of_things():
    rows, columns = torch.meshgrid(torch.arange(65.0), torch.arange(65.0), indexing="ij")
    disc = ((rows - 32) ** 2 + (columns - 32) ** 2 < 400).float().expand(4, 1, -1, -1)
    (turned,) = asked(rotation_degrees=15.0)((disc,), drawn(disc))
    assert (turned - disc).abs().mean() < 0.01


def test_a_rotation_is_by_the_angle_that_was_drawn():
    """A point on the x axis, 16 px from the centre, goes to (16 cos a, 16 sin a)."""
    images = torch.zeros(1, 1, 65, 65)
    images[0, 0, 32, 48] = 1
    numbers = torch.full((DRAWN, 1), 0.5)
    numbers[1] = 1.0
    (turned,) = asked(rotation_degrees=30.0)((images,), numbers)
    row, column = divmod(int(turned.argmax()), 65)
    assert (column - 32, row - 32) == (round(16 * 0.866), round(16 * 0.5))


def test_a_crop_shows_a_window_of_the_image_and_nothing_beyond_it():
    images = torch.rand(32, 1, 40, 40) * 0.5 + 0.5
    numbers = drawn(images)
    (cropped,) = asked(crop=0.5)((images,), numbers)
    inner = cropped[:, :, 1:-1, 1:-1]  # half a pixel within the edge is half of what is beyond
    assert inner.min() > 0.49
    sides = sampling_matrices(numbers, NO_CHANGE.model_copy(update={"crop": 0.5}))[:, 0, 0]
    assert 0.5 <= sides.min() < sides.max() <= 1


def test_contrast_keeps_the_mean_and_the_unit_interval():
    images = 0.4 + 0.2 * torch.rand(8, 1, 16, 16)
    numbers = drawn(images)
    (changed,) = asked(contrast=0.4)((images,), numbers)
    torch.testing.assert_close(changed.mean((1, 2, 3)), images.mean((1, 2, 3)))
    spread = changed.std((1, 2, 3)) / images.std((1, 2, 3))
    torch.testing.assert_close(spread, 1 + 0.4 * (numbers[8] * 2 - 1))
    (most,) = asked(contrast=0.9)((torch.rand(8, 1, 16, 16),), numbers)
    assert most.min() >= 0
    assert most.max() <= 1


def test_contrast_is_about_the_mean_of_the_image_and_leaves_what_is_beyond_black():
    images = 0.4 + 0.2 * torch.rand(8, 1, 32, 32)
    numbers = drawn(images)
    (plain,) = asked(rotation_degrees=40.0)((images,), numbers)
    (changed,) = asked(rotation_degrees=40.0, contrast=0.5)((images,), numbers)
    assert (changed[plain == 0] == 0).all()
    inner = (slice(None), slice(None), slice(8, 24), slice(8, 24))
    mean, factor = images.mean((1, 2, 3), keepdim=True), 1 + 0.5 * (numbers[8] * 2 - 1)
    expected = mean + factor.view(-1, 1, 1, 1) * (plain - mean)
    torch.testing.assert_close(changed[inner], expected[inner])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_boxes_move_with_what_they_enclose(seed, data):
    """A bright rectangle, resampled: its pixels fill the moved box, to about a pixel."""
    side = 96
    x1, y1 = (data.draw(st.integers(30, 48)) for _ in range(2))
    width, height = (data.draw(st.integers(6, 18)) for _ in range(2))
    image = torch.zeros(1, 1, side, side)
    image[0, 0, y1 : y1 + height, x1 : x1 + width] = 1
    box = torch.tensor([[x1, y1, x1 + width, y1 + height]]) / side
    matrices = sampling_matrices(drawn(image, seed), ALL)
    seen = resample(image, matrices)[0, 0] > 0.25
    rows, columns = seen.nonzero(as_tuple=True)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    expected = (moved_boxes(box, matrices)[0] * side).clamp(0, side)
    assert torch.stack(found).float() == pytest.approx(expected, abs=2.5)
