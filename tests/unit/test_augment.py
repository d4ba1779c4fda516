"""Augmentation: per sample, and nothing where nothing is asked."""

import torch

from pipeline.training.augment import augmentation, random_flip_rotation, to_unit


def numbers(images, seed=0):
    return torch.rand(2, len(images), generator=torch.Generator().manual_seed(seed))


def test_bytes_become_the_unit_interval():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1)
    torch.testing.assert_close(to_unit(images).ravel(), torch.tensor([0.0, 0.2, 1.0]))


def test_nothing_is_done_when_nothing_is_asked():
    images = torch.rand(4, 1, 8, 8)
    same = random_flip_rotation(images, numbers(images), flip=0.0, rotation_degrees=0.0)
    assert torch.equal(same, images)


def test_a_certain_flip_is_the_mirror_image():
    images = torch.rand(4, 1, 9, 6)
    flipped = random_flip_rotation(images, numbers(images), flip=1.0, rotation_degrees=0.0)
    torch.testing.assert_close(flipped, images.flip(-1), rtol=0, atol=1e-5)


def test_each_sample_has_its_own_angle_and_the_seed_decides():
    images = torch.rand(1, 1, 32, 32).expand(8, -1, -1, -1)
    turned = [
        random_flip_rotation(images, numbers(images, seed), flip=0.5, rotation_degrees=15.0)
        for seed in (1, 1, 2)
    ]
    assert torch.equal(turned[0], turned[1])
    assert not torch.equal(turned[0], turned[2])
    assert len({image.numpy().tobytes() for image in turned[0]}) == 8


def test_rotation_keeps_the_shape_of_things():
    rows, columns = torch.meshgrid(torch.arange(65.0), torch.arange(65.0), indexing="ij")
    disc = ((rows - 32) ** 2 + (columns - 32) ** 2 < 400).float().expand(4, 1, -1, -1)
    turned = random_flip_rotation(disc, numbers(disc), flip=0.0, rotation_degrees=15.0)
    assert (turned - disc).abs().mean() < 0.01


def test_an_image_and_its_crop_are_turned_alike():
    images = torch.rand(8, 1, 16, 16)
    augment = augmentation(flip=0.5, rotation_degrees=15.0)
    known = torch.rand(8, 4)
    first, second, same = augment((images, images, known), torch.Generator().manual_seed(0))
    assert torch.equal(first, second)
    assert not torch.equal(first, images)
    assert same is known
