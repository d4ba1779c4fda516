"""The frame of a list of boxes: each one gives the same fractions, or is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cohort.reading.box_frame import find_frame, least_reach
from pipeline.cohort.reading.cohort_source import find_cohort
from pipeline.cohort.reading.nih_boxes import parse_boxes
from pipeline.errors import CohortError

SAMPLE = Path(__file__).parents[4] / "../shared/nih-sample"
needs_sample = pytest.mark.skipif(not SAMPLE.is_dir(), reason="the real metadata is not here")

REACH = ([0, 0.01, 0.05, 0.5, 0.9, 0.99, 1], [0.27, 0.36, 0.46, 0.78, 0.89, 0.96, 0.998])
"""Quantiles of how far NIH's boxes reach."""
CORNERS = ["x1", "y1", "x2", "y2"]
FRAMES = ("file", "fractions", "1024", "original")


def fractions(boxes: int, seed: int) -> pd.DataFrame:
    """Places of boxes that reach as far to the right or down as NIH's do."""
    rng = np.random.default_rng(seed)
    reach = np.interp(rng.uniform(size=boxes), *REACH)
    ends = np.stack([reach, reach * rng.uniform(0.4, 1, boxes)], axis=1)
    ends = np.where(rng.uniform(size=(boxes, 1)) < 0.5, ends, ends[:, ::-1])
    starts = ends * rng.uniform(0.2, 0.8, (boxes, 2))
    return pd.DataFrame(np.concatenate([starts, ends], axis=1), columns=CORNERS)


def cohort(boxes: int, sizes: list[tuple[int, int]], seed: int) -> tuple[pd.DataFrame, ...]:
    """Files of these sizes in turn, and the originals that they were made of."""
    rng = np.random.default_rng(seed)
    names = [f"{number:03d}.png" for number in range(boxes)]
    files = pd.DataFrame(
        [sizes[i % len(sizes)] for i in range(boxes)], columns=["width", "height"]
    )
    originals = pd.DataFrame(rng.integers(1900, 3100, (boxes, 2)), columns=["width", "height"])
    return files.assign(image_index=names), originals.assign(image_index=names)


def drawn(places: pd.DataFrame, frame: str, files: pd.DataFrame, originals: pd.DataFrame):
    """The list that somebody writes who draws the boxes in this frame."""
    if frame in ("file", "original"):
        sides = (files if frame == "file" else originals)[["width", "height"]].to_numpy()
    else:
        side = 1 if frame == "fractions" else float(frame)
        sides = np.full((len(places), 2), side)
    boxes = places * np.concatenate([sides, sides], axis=1)
    return boxes.assign(image_index=files["image_index"], finding="Mass")


def read(boxes: pd.DataFrame, files, originals, told="auto") -> np.ndarray:
    sides = find_frame(boxes, files, originals, told).sides
    return boxes[CORNERS].to_numpy() / sides[["width", "height"] * 2].to_numpy()


@given(
    frame=st.sampled_from(FRAMES),
    sizes=st.sampled_from(
        [[(1024, 1024)], [(224, 224)], [(512, 512)], [(2048, 2048)], [(1000, 1000)],
         [(224, 224), (512, 512)], [(600, 512), (512, 512)], [(1024, 900), (900, 1024)]]
    ),
    boxes=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_boxes_of_any_frame_come_out_at_the_same_places_or_are_refused(frame, sizes, boxes, seed):
    files, originals = cohort(boxes, sizes, seed)
    places = fractions(boxes, seed)
    written = drawn(places, frame, files, originals)
    told = frame if not frame.isdigit() else int(frame)
    for say in ("auto", told):
        try:
            found = read(written, files, originals, say)
        except CohortError:
            assert say == "auto" or (frame == "1024" and files["width"].ne(files["height"]).any())
        else:
            np.testing.assert_allclose(found, places, rtol=1e-9)


@pytest.mark.parametrize("boxes", [1, 2, 5, 9, 40])
@pytest.mark.parametrize(
    ("frame", "size"), [("1024", 224), ("1024", 1024), ("fractions", 1024), ("file", 224)]
)
def test_usual_cohorts_are_understood_however_few_boxes_they_have(boxes, frame, size):
    for seed in range(20):
        files, originals = cohort(boxes, [(size, size)], seed)
        places = fractions(boxes, seed)
        if frame == "1024" and places.to_numpy().max() * 1024 / size <= 1.02 and size != 1024:
            continue  # so few and so near the corner that nobody could tell
        found = read(drawn(places, frame, files, originals), files, originals)
        np.testing.assert_allclose(found, places, rtol=1e-9)


@pytest.mark.parametrize(("frame", "size"), [("256", 128), ("256", 512), ("100", 224)])
def test_shrunk_or_enlarged_images_of_another_origin_are_refused_until_told(frame, size):
    for seed in range(20):
        files, originals = cohort(12, [(size, size)], seed)
        places = fractions(12, seed)
        written = drawn(places, frame, files, originals)
        with pytest.raises(CohortError, match=r"12 boxes are neither .* ingest\.box_frame: file"):
            read(written, files, originals)
        np.testing.assert_allclose(read(written, files, originals, int(frame)), places, rtol=1e-9)


def test_boxes_of_the_originals_are_refused_by_name_until_told():
    files, originals = cohort(30, [(1024, 1024)], 0)
    written = drawn(fractions(30, 0), "original", files, originals)
    with pytest.raises(CohortError, match="seem to be pixels of the originals"):
        read(written, files, originals)


def test_two_boxes_that_two_frames_would_hold_are_refused_with_both():
    files, originals = cohort(2, [(2048, 2048)], 0)
    places = pd.DataFrame([[0.1, 0.1, 0.4, 0.3]] * 2, columns=CORNERS)
    written = drawn(places, "file", files, originals)
    with pytest.raises(CohortError, match=r"pixels of the image files or pixels of 1024 x 1024"):
        read(written, files, originals)
    np.testing.assert_allclose(read(written, files, originals, "file"), places, rtol=1e-9)


def test_a_frame_that_was_told_and_cannot_be_is_refused(caplog):
    files, originals = cohort(9, [(224, 224)], 0)
    written = drawn(fractions(9, 0), "1024", files, originals)
    with pytest.raises(CohortError, match=r"ingest\.box_frame: file: 9 of 9 boxes reach beyond"):
        read(written, files, originals, "file")
    assert not caplog.text
    read(written, files, originals, 4096)
    assert "as if they were drawn in a smaller frame" in caplog.text


def test_boxes_of_images_that_are_not_used_decide_as_well():
    files, originals = cohort(40, [(2048, 2048)], 3)
    places = fractions(40, 3)
    written = drawn(places, "1024", files, originals)
    far = places[CORNERS].max(axis=1).rank() > 38
    used = files[far.to_numpy()]
    with pytest.raises(CohortError, match="pixels of the image files or pixels of 1024"):
        read(written[far], used, originals)
    sides = find_frame(written, used, originals, "auto").sides
    assert (sides[far] == 1024).all(axis=None)


@needs_sample
@pytest.mark.parametrize(
    ("size", "name"), [(224, "1024"), (512, "1024"), (1024, "file"), (2048, "1024")]
)
def test_the_official_list_is_of_1024_pixels_whatever_the_files_are(size, name):
    boxes = parse_boxes(find_cohort(SAMPLE).boxes)
    files = pd.DataFrame({"image_index": boxes["image_index"].unique(), "width": size})
    files["height"] = size
    frame = find_frame(boxes, files, files, "auto")
    assert frame.name == name
    assert (frame.sides == 1024).all(axis=None)


@needs_sample
@pytest.mark.parametrize(("resized", "size"), [(224, 256), (512, 600)])
def test_the_official_list_for_images_that_were_cropped_or_padded_is_refused(resized, size):
    boxes = parse_boxes(find_cohort(SAMPLE).boxes)
    boxes[CORNERS] *= resized / 1024
    files = pd.DataFrame({"image_index": boxes["image_index"].unique(), "width": size})
    files["height"] = size
    with pytest.raises(CohortError, match="neither fractions, nor pixels of these files"):
        find_frame(boxes, files, files, "auto")


@needs_sample
def test_the_least_reach_is_that_of_official_boxes_drawn_at_random():
    boxes = parse_boxes(find_cohort(SAMPLE).boxes)
    reach = boxes[["x2", "y2"]].max(axis=1).to_numpy() / 1024
    for number in (1, 2, 3, 5, 7, 10, 20, 50, 100, 200, 500):
        short_of_it = (reach < least_reach(number)).mean() ** number
        assert short_of_it < 1e-4
    assert reach.max() < 1
