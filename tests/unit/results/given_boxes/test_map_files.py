"""Heatmaps in a stranger's folder: where a map is found, how it is drawn, and what is refused."""

import re

import numpy as np
import pytest
from given_boxes import A, B, C

from pipeline.attention.crop import BoxRule
from pipeline.errors import ArtifactError
from pipeline.results.given_boxes.map_files import NO_MAP, as_square, detect_in_map_files

RULE = BoxRule(0.5, "peak")
HOT = (slice(16, 48), slice(16, 32))
"""Rows and columns of 64: x from 1/4 to 1/2, y from 1/4 to 3/4."""


@pytest.fixture
def read(given, tmp_path):
    def call(rule=RULE):
        return detect_in_map_files(tmp_path / "maps", *given, rule)

    (tmp_path / "maps").mkdir()
    return call


@pytest.fixture
def maps(read, tmp_path):
    return tmp_path / "maps"


def hot(shape=(64, 64), where=HOT, dtype=np.float32):
    heatmap = np.zeros(shape, dtype)
    heatmap[where] = 2
    return heatmap


def stem(name):
    return name.removesuffix(".png")


MASS = f"{stem(A)}_Mass.npy"


def test_both_kinds_of_files_are_found_by_image_and_finding(read, maps):
    np.save(maps / f"{stem(A)}_Mass.npy", hot())
    np.savez(maps / f"{stem(B)}.npz", Mass=hot(), Pleural_Thickening=hot())
    np.savez_compressed(maps / f"{C}.npz", infiltrate=hot(dtype=np.float16))
    (maps / "notes.txt").write_text("by hand")
    found = read()
    for one in found.detections[:3]:
        np.testing.assert_allclose(one.box, [0.25, 0.25, 0.5, 0.75], atol=0.01)
    assert found.detections[3] == NO_MAP
    assert found.read == [
        "maps: 3 files of 3 images, 3 of which have cases; box above 0.5 of its maximum, region "
        "peak; not read: 1 others",
        "  3 of its maps are of cases",
        "  1 of 4 cases have no map and count as misses: Nodule 1",
    ]


@pytest.mark.parametrize("place", ["maps", "maps/all.npz"])
def test_one_file_may_hold_the_maps_of_many_images(given, maps, place):
    keys = [
        f"{A}_Mass",
        f"{stem(B)}_mass",
        f"{stem(C)}_Infiltration",
        f"{stem(A)}_Pleural_Thickening",
    ]
    np.savez_compressed(maps / "all.npz", **dict.fromkeys(keys, hot()))
    found = detect_in_map_files(maps.parent / place, *given, RULE)
    for one in found.detections[:3]:
        np.testing.assert_allclose(one.box, [0.25, 0.25, 0.5, 0.75], atol=0.01)
    assert found.detections[3] == NO_MAP
    name = place.rpartition("/")[2]
    assert found.read[0].startswith(f"{name}: 1 files of 3 images, 3 of which have cases; ")


def test_one_map_in_a_file_of_its_own_is_read_too(given, maps):
    np.save(maps / MASS, hot())
    found = detect_in_map_files(maps / MASS, *given, RULE)
    assert sum(one.box is not None for one in found.detections) == 1


def test_cells_look_where_the_folders_grid_says(read, maps):
    """A single hot cell of 8 x 8, whose cells look at their first pixels and not in the middle."""
    heatmap = np.zeros((8, 8), np.float32)
    heatmap[2, 4] = 1
    np.save(maps / MASS, heatmap)
    middle = read().detections[0]
    (maps / "grid.json").write_text('{"first": 0.0, "step": 0.125}')
    found = read()
    assert found.detections[0].point == pytest.approx([0.5, 0.25])
    assert middle.point == pytest.approx([0.5625, 0.3125])
    shift = found.detections[0].box - middle.box
    np.testing.assert_allclose(shift, np.full(4, -0.0625), atol=0.01)
    assert "; cells look where its grid.json says" in found.read[0]
    assert "not read" not in found.read[0]


def test_an_image_and_a_finding_of_several_words_are_told_apart(read, maps):
    np.save(maps / f"{stem(A)}_Pleural_Thickening.npy", hot())
    np.save(maps / f"{stem(A)}_mass.npy", hot())
    assert read().detections[0].box is not None


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.uint8, np.int32, bool])
def test_any_numbers_are_a_map(read, maps, dtype):
    np.save(maps / f"{stem(A)}_Mass.npy", hot(dtype=dtype))
    np.testing.assert_allclose(read().detections[0].box, [0.25, 0.25, 0.5, 0.75], atol=0.01)


@pytest.mark.parametrize("shape", [(64, 32), (16, 64), (128, 256), (1024, 512)])
def test_a_map_that_is_not_square_covers_the_whole_image(read, maps, shape):
    height, width = shape
    where = (slice(height // 4, 3 * height // 4), slice(width // 4, width // 2))
    np.save(maps / f"{stem(A)}_Mass.npy", hot(shape, where))
    found = read().detections[0]
    np.testing.assert_allclose(found.box, [0.25, 0.25, 0.5, 0.75], atol=0.04)
    assert found.energy == pytest.approx(1, abs=0.1)


def test_a_square_map_is_left_as_it_is_and_another_is_drawn_between_its_cells():
    square = hot()
    assert as_square(square) is square
    ramp = np.broadcast_to(np.arange(4, dtype=np.float32), (2, 4))
    drawn = as_square(ramp)
    assert drawn.shape == (112, 112)
    centres = (np.arange(4) + 0.5) / 4 * 112 - 0.5
    assert drawn[0, np.round(centres).astype(int)] == pytest.approx([0, 1, 2, 3], abs=0.02)
    assert np.ptp(drawn, axis=0).max() == 0


def test_values_below_nought_count_as_none_beside_what_is_above():
    heatmap = np.array([[4, -4, 1], [-4, 2, 0]], np.float32)
    assert np.array_equal(as_square(heatmap), as_square(np.maximum(heatmap, 0)))


def test_an_empty_map_is_no_miss_but_is_counted(read, maps):
    np.save(maps / f"{stem(A)}_Mass.npy", -hot())
    found = read()
    assert found.detections[0] == NO_MAP
    assert (
        found.read[1] == "  1 of its maps are of cases, 1 of them say nothing: no value is above 0"
    )


def test_threshold_and_region_are_those_told(read, maps):
    heatmap = hot()
    heatmap[0:4, 0:4] = 3  # the peak, and not the largest region
    np.save(maps / f"{stem(A)}_Mass.npy", heatmap)
    widths = {
        rule: float(read(BoxRule(*rule)).detections[0].box[2])
        for rule in ((0.5, "peak"), (0.5, "largest"), ("otsu", "largest"), (0.9, "largest"))
    }
    assert [round(width, 1) for width in widths.values()] == [0.1, 0.5, 0.5, 0.1]
    assert "above otsu of each map's own histogram" in read(BoxRule("otsu", "peak")).read[0]


def save(name, array):
    return lambda folder: np.save(folder / name, array, allow_pickle=True)


def saved_twice(folder):
    np.save(folder / f"{stem(A)}_Mass.npy", hot())
    np.savez(folder / f"{stem(A)}.npz", mass=hot())


def cut_off(folder):
    np.savez(folder / f"{stem(A)}.npz", Mass=hot())
    whole = (folder / f"{stem(A)}.npz").read_bytes()
    (folder / f"{stem(A)}.npz").write_bytes(whole[: len(whole) // 2])


def misnamed(folder):
    np.save(folder / "a.npy", hot())
    (folder / "a.npy").rename(folder / f"{stem(A)}.npz")


def keyed_twice(folder):
    np.savez(folder / "all.npz", **{f"{stem(A)}_Mass": hot(), f"{A}_mass": hot()})


def on_a_grid(note, *, shape=(4, 4)):
    def write(folder):
        np.save(folder / MASS, hot(shape))
        (folder / "grid.json").write_text(note)

    return write


REFUSED = {
    "an unknown finding": (
        save(f"{stem(A)}_Mas.npy", hot()), "unknown finding 'Mas'; did you mean Mass?"
    ),
    "an unknown key": (
        lambda folder: np.savez(folder / f"{stem(A)}.npz", Noduel=hot()),
        f"{stem(A)}.npz, key: unknown finding 'Noduel'; did you mean Nodule?",
    ),
    "no finding": (
        save(f"{stem(A)}.npy", hot()), "unknown finding '000'; expected one of Atelectasis"
    ),
    "an unknown image": (
        save("x_Mass.npy", hot()),
        "maps: 1 of 1 images are not in the labels; first: x (file x_Mass.npy), where names are",
    ),
    "no map of a case": (
        save(f"{stem(A)}_Nodule.npy", hot()),
        "maps: holds no map of a finding that radiologists boxed on that image; cases are such as "
        f"Mass on {A}; expected <image>_<finding>.npy, <image>.npz",
    ),
    "no file": (lambda _folder: None, "maps: holds no .npy or .npz file; expected <image>_"),
    "a map twice": (saved_twice, "a second map of Mass; the other is in"),
    "a stack": (
        save(MASS, np.ones((1, 7, 7))), "float64 of shape (1, 7, 7); expected numbers of shape"
    ),
    "no cells": (save(MASS, np.ones((0, 7))), "float64 of shape (0, 7)"),
    "words": (save(MASS, np.array([["a"]])), "<U1 of shape (1, 1)"),
    "objects": (save(MASS, np.array([[{}]])), f"{MASS}: not a whole file of numpy's"),
    "not finite": (
        save(MASS, np.array([[1, np.nan], [np.inf, 2]])), "2 of 4 values are not finite"
    ),
    "a file cut off": (cut_off, f"{stem(A)}.npz: not a whole file of numpy's"),
    "a key of no finding": (
        lambda folder: np.savez(folder / "all.npz", **{f"{stem(A)}_Noduel": hot()}),
        f"all.npz, key {stem(A)}_Noduel; expected <image>_<finding>.npy, ",
    ),
    "a key of an unknown image": (
        lambda folder: np.savez(folder / "all.npz", x_Mass=hot()),
        "1 of 1 images are not in the labels; first: x (file all.npz, key x_Mass), where",
    ),
    "findings of an unknown image": (
        lambda folder: np.savez(folder / "x.npz", Mass=hot()),
        "1 of 1 images are not in the labels; first: x (file x.npz), where names are",
    ),
    "a map twice by key": (keyed_twice, "a second map of Mass; the other is in"),
    "a grid beyond the image": (
        on_a_grid('{"first": 0.5, "step": 0.25}'),
        "a map of 4 x 4 cells, of which the last would look at 1.25 of the image by grid.json",
    ),
    "a grid and a map that is not square": (
        on_a_grid('{"first": 0, "step": 0.1}', shape=(4, 2)),
        "a map of 4 x 2 cells, of which the last would look at 0.3 of the image by grid.json",
    ),
    "a grid without a step": (
        on_a_grid('{"first": 0}'), "grid.json: expected first and step, as fractions of the image"
    ),
    "a .npy file called .npz": (misnamed, f"{stem(A)}.npz: one array without a name"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_named(read, maps, case):
    write, message = REFUSED[case]
    write(maps)
    with pytest.raises(ArtifactError, match=re.escape(message)):
        read()
