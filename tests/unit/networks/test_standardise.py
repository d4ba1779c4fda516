"""Each image to the same mean and spread: what lies beyond the radiograph has no part in it."""

from pathlib import Path

import pytest
import torch
from branches import make_branch, some_images
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tasks import images as made_images
from training_numbers import NO_CHANGE

from pipeline.networks.augment import DRAWN, augmentation, resample
from pipeline.networks.standardise import standardised
from pipeline.params.whole import load_params
from pipeline.training.branches import fit_branch

REPO = Path(__file__).parents[3]

MOVES = {
    "flip": {"flip": 0.5},
    "rotation": {"rotation_degrees": 30.0},
    "shift": {"shift": 0.3},
    "scale": {"scale": 0.5},
    "crop": {"crop": 0.4},
    "all": {"flip": 0.5, "rotation_degrees": 45.0, "shift": 0.5, "scale": 0.5, "crop": 0.5},
}

PARAMS = {name: NO_CHANGE.model_copy(update=moves) for name, moves in MOVES.items()}


def drawn(rows, seed=0):
    return torch.rand(DRAWN, rows, generator=torch.Generator().manual_seed(seed))


def moved(images, name, seed=0):
    """As a standardising network gets them in training."""
    (seen,) = augmentation(PARAMS[name], alpha=True)((images,), drawn(len(images), seed))
    return seen


@pytest.mark.parametrize("name", MOVES)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), gain=st.floats(0.1, 0.6), offset=st.floats(0.0, 0.4))
def test_exposure_is_none_of_the_network_s_business_however_an_image_is_moved(
    name, seed, gain, offset
):
    images = torch.rand(2, 1, 24, 24, generator=torch.Generator().manual_seed(seed))
    plain, exposed = (
        standardised(moved(one, name, seed)) for one in (images, gain * images + offset)
    )
    torch.testing.assert_close(exposed, plain, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", [one for one in MOVES if one != "flip"])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_within_the_radiograph_mean_is_0_and_spread_1_and_beyond_it_all_is_0(name, seed):
    images = torch.rand(2, 1, 24, 24, generator=torch.Generator().manual_seed(seed))
    seen = moved(images, name, seed)
    alpha, found = seen[:, 1:], standardised(seen)
    assert (found[alpha == 0] == 0).all()
    pixels = alpha.sum((2, 3))
    torch.testing.assert_close(found.sum((2, 3)) / pixels, torch.zeros(2, 1), atol=1e-4, rtol=0)
    squares = (found**2 / alpha.clamp(min=1e-6)).sum((2, 3))
    torch.testing.assert_close(squares / pixels, torch.ones(2, 1), atol=1e-3, rtol=0)


def test_a_flip_alone_reaches_beyond_nothing_and_needs_no_second_channel():
    assert moved(torch.rand(2, 1, 24, 24), "flip").shape[1] == 1


@settings(max_examples=30, deadline=None)
@given(across=st.integers(-8, 8), down=st.integers(-8, 8), seed=st.integers(0, 1000))
def test_what_is_left_of_a_shifted_image_is_seen_as_if_it_were_the_whole(across, down, seed):
    """Shifted by whole pixels, so that nothing is interpolated."""
    side = 24
    image = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(seed))
    matrix = torch.tensor([[[1.0, 0.0, 2 * across / side], [0.0, 1.0, 2 * down / side]]])
    seen = standardised(resample(torch.cat([image, torch.ones_like(image)], 1), matrix))
    rows, columns = (
        slice(max(0, -by), side - max(0, by)) for by in (down, across)
    )  # where the image still is
    left = image[..., max(0, down) : side + min(0, down), max(0, across) : side + min(0, across)]
    torch.testing.assert_close(seen[..., rows, columns], standardised(left), atol=1e-3, rtol=1e-3)


def test_images_that_are_not_moved_are_standardised_as_ever_to_the_bit():
    images = some_images(3)
    mean = images.mean(dim=(2, 3), keepdim=True)
    std = images.std(dim=(2, 3), keepdim=True, correction=0).clamp(min=1 / 255)
    assert torch.equal(standardised(images), (images - mean) / std)
    branch = make_branch("resnet18", standardise=True)
    assert torch.equal(branch.normalised(images), standardised(images).expand(-1, 3, -1, -1))


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("name", MOVES)
def test_flat_images_stay_finite_and_small(name, level):
    seen = standardised(moved(torch.full((4, 1, 16, 16), level), name))
    assert seen.abs().max() < 0.1


def test_an_image_that_has_left_its_frame_is_all_0():
    assert (standardised(torch.zeros(2, 2, 8, 8)) == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_statistics_are_of_full_precision_whatever_the_network_computes_in(dtype):
    seen = moved(some_images(2), "all")
    branch = make_branch("resnet18", standardise=True)
    expected = branch.normalised(seen)
    with torch.autocast("cpu", dtype):
        assert torch.equal(branch.normalised(seen), expected)
        assert torch.isfinite(branch(seen)).all()


def test_a_network_that_does_not_standardise_sees_black_beyond_the_edge():
    images, branch = some_images(2), make_branch("resnet18")
    black, with_alpha = (
        augmentation(PARAMS["rotation"], alpha=alpha)((images,), drawn(2))[0]
        for alpha in (False, True)
    )
    assert torch.equal(branch.normalised(with_alpha), branch.normalised(black))


def test_more_channels_than_grey_and_alpha_are_refused():
    with pytest.raises(ValueError, match="expected grey, or grey and alpha; found 3 channels"):
        make_branch("resnet18").normalised(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize("standardise", [True, False])
def test_a_training_that_standardises_does_not_see_exposure_behind_its_augmentation(standardise):
    """From the same radiographs, all brighter by 100 of 255, it learns the same."""
    cfg = load_params(REPO / "tests/tiny.yaml")
    turned = NO_CHANGE.model_copy(update={"rotation_degrees": 30.0, "shift": 0.1})
    change = {"augment": turned, "standardise": standardise, "batch_size": 8, "precision": "fp32"}
    train = cfg.train.model_copy(update=change)
    params = cfg.global_.model_copy(update={"epochs": 1, "head_epochs": 0, "output_stride": 32})
    losses = []
    for brighter in (0, 100):
        examples = {split: made_images(16, 1, split, size=32) for split in ("train", "val")}
        for one in examples.values():
            one.inputs[0].floor_divide_(2).add_(brighter)
        branch = make_branch("resnet18", standardise=standardise, size=32)
        (epoch,) = fit_branch(branch, examples, train, params, seed=1)
        losses.append(epoch.train_loss)
    assert (losses[0] == pytest.approx(losses[1], rel=1e-3)) is standardise
