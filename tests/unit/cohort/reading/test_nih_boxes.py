import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.cohort.reading.nih import Entries
from pipeline.cohort.reading.nih_boxes import BoxesUsed, boxes_as_fractions, parse_boxes
from pipeline.errors import CohortError

HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
INDEX = pd.DataFrame({"image_index": ["a.png", "b.png"], "width": [100, 200], "height": [50, 80]})
ENTRIES = Entries(
    table=pd.DataFrame({"image_index": ["a.png", "b.png", "c.png"]}),
    originals=INDEX, source="", absurd_ages=[], missing_ages=0,
)  # fmt: skip


def parse(rows: str) -> pd.DataFrame:
    return parse_boxes(TextFile("BBox_List_2017.csv", HEADER + rows))


def fractions(rows: str, frame: str | int = "file") -> BoxesUsed:
    return boxes_as_fractions(parse(rows), INDEX, ENTRIES, frame)


@given(
    x=st.integers(0, 99), y=st.integers(0, 49), width=st.integers(1, 99), height=st.integers(1, 49)
)
def test_a_box_is_a_fraction_of_the_size_of_its_own_image(x, y, width, height):
    boxes = fractions(f"a.png,Mass,{x},{y},{width},{height}").table
    x2, y2 = min(x + width, 100), min(y + height, 50)
    found = boxes[["x1", "y1", "x2", "y2"]].to_numpy()[0] * [100, 50, 100, 50]
    assert found == pytest.approx([x, y, x2, y2])


def test_infiltrate_becomes_infiltration():
    assert parse("a.png,Infiltrate,1,2,3,4")["finding"].tolist() == ["Infiltration"]


def test_what_is_clipped_or_dropped_is_counted_by_reason():
    used = fractions(
        "a.png,Mass,90,0,20,10,,,\n"  # reaches beyond the right edge
        "b.png,Nodule,0,0,10,10\n"
        "a.png,Mass,100,0,5,5\n"  # begins where the image ends
        "c.png,Mass,0,0,5,5\n"  # of the table, not used
        "z.png,Mass,0,0,5,5\n"
    )
    assert (used.in_file, len(used.table), used.clipped) == (5, 2, 1)
    assert used.dropped == {
        "image not used": 1,
        "image not in the table": 1,
        "outside its image": 1,
    }


def test_boxes_in_the_frame_of_larger_images_are_refused():
    rows = "".join(f"a.png,Mass,{70 + 10 * k},{5 * k},25,25\n" for k in range(12))
    with pytest.raises(CohortError, match=r"11 of 12 boxes reach beyond.* are 100 x 50 px"):
        fractions(rows)
    with pytest.raises(CohortError, match=r"12 boxes are neither fractions.* are 100 x 50 px"):
        fractions(rows, "auto")


def test_nine_boxes_beyond_their_images_are_no_fewer_than_a_fault():
    rows = "".join(f"a.png,Mass,{70 + 10 * k},{5 * k},25,25\n" for k in range(9))
    with pytest.raises(CohortError, match="9 boxes are neither"):
        fractions(rows, "auto")


@pytest.mark.parametrize(
    ("rows", "frame", "drawn_in", "by"),
    [
        ("a.png,Mass,0.3,0.2,0.4,0.6\n", "auto", "fractions of the image", "found by"),
        ("a.png,Mass,30,10,40,30\n", "auto", "pixels of the image files", "found by"),
        (
            "a.png,Mass,0.3,0.2,0.4,0.6\n",
            "fractions",
            "fractions of the image",
            "as ingest.box_fr",
        ),
        ("c.png,Mass,3,2,4,6\n", "auto", None, ""),
    ],
)
def test_the_frame_that_is_used_is_always_said(rows, frame, drawn_in, by, caplog):
    with caplog.at_level("INFO"):
        used = fractions(rows, frame)
    assert used.drawn_in == drawn_in
    if drawn_in is None:
        assert "boxes: 0 of 1 used, none of an image used, 1 dropped" in caplog.text
    else:
        assert f"boxes: 1 of 1 used, drawn in {drawn_in} ({by}" in caplog.text
        corners = used.table[["x1", "y1", "x2", "y2"]].to_numpy()[0]
        assert corners == pytest.approx([0.3, 0.2, 0.7, 0.8])


def test_a_cohort_without_a_box_list_has_no_boxes():
    used = boxes_as_fractions(parse_boxes(None), INDEX, ENTRIES, "auto")
    assert (len(used.table), used.in_file, used.dropped) == (0, 0, {})
