"""Boxes of a stranger's table: what is read, which of several counts, and what is refused."""

import re

import numpy as np
import pytest
from given_boxes import (
    DRAWN,
    FOUR,
    A,
    B,
    C,
    D,
    cohort,
    drawn,
    given_cases,
    write_cohort,
    write_list,
)

from pipeline.errors import PipelineError
from pipeline.results.given_boxes.box_files import MISS, detect_in_box_file
from pipeline.results.given_boxes.given_frames import frame_told


@pytest.fixture
def read(given, tmp_path):
    """The detections of a table, and what is said of it."""

    def call(frame, size="1024", *, parquet=False):
        path = tmp_path / "mine.csv"
        if isinstance(frame, str):
            path.write_text(frame)
        elif parquet:
            frame.to_parquet(path)
        else:
            frame.to_csv(path, index=False)
        return detect_in_box_file(path, *given, frame_told(size, "--size"))

    return call


def boxes(found):
    return [None if one.box is None else one.box.tolist() for one in found.detections]


EXPECTED = [[0.25, 0.25, 0.75, 0.5], [0.5, 0.5, 0.75, 1], [0.5, 0, 1, 1], None]


def test_a_case_without_a_box_is_a_miss_and_is_counted_by_finding(read):
    found = read(drawn())
    assert boxes(found) == EXPECTED
    assert found.detections[3] == MISS
    assert found.read[1:] == [
        "  3 of its boxes are of cases, 0 are not judged",
        "  1 of 4 cases have no box and count as misses: Nodule 1",
    ]


def four_of(form):
    """The drawn boxes in another form."""
    frame = drawn()
    x, y, w, h = (frame[name] for name in FOUR)
    return frame[["image", "finding"]].assign(**dict(zip(*form(x, y, w, h), strict=True)))


FORMS = {
    "corners": lambda x, y, w, h: (["x1", "y1", "x2", "y2"], [x, y, x + w, y + h]),
    "from nought": lambda x, y, w, h: (["x0", "y0", "x1", "y1"], [x, y, x + w, y + h]),
    "extremes": lambda x, y, w, h: (["X_min", "Y_min", "X_max", "Y_max"], [x, y, x + w, y + h]),
    "sides": lambda x, y, w, h: (["left", "top", "right", "bottom"], [x, y, x + w, y + h]),
    "left and width": lambda x, y, w, h: (["left", "top", "width", "height"], [x, y, w, h]),
    "centre": lambda x, y, w, h: (["cx", "cy", "w", "h"], [x + w / 2, y + h / 2, w, h]),
    "shuffled": lambda x, y, w, h: (["h", "y", "w", "x"], [h, y, w, x]),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_box_is_read_in_every_usual_form(read, form):
    assert boxes(read(four_of(FORMS[form]))) == EXPECTED


def test_the_size_of_images_beside_corners_is_no_second_form(read):
    found = read(four_of(FORMS["extremes"]).assign(width=1024, height=1024))
    assert boxes(found) == EXPECTED
    assert "not read: 'width', 'height'" in found.read[0]


@pytest.mark.parametrize(("size", "factor"), [("1024", 1), ("512", 0.5), ("fractions", 1 / 1024)])
def test_every_frame_gives_the_same_boxes(read, size, factor):
    frame = drawn()
    frame[FOUR] *= factor
    assert boxes(read(frame, size)) == EXPECTED


def test_nihs_own_list_is_read_with_its_header(given, tmp_path):
    write_list(DRAWN, tmp_path / "list.csv")
    found = detect_in_box_file(tmp_path / "list.csv", *given, frame_told("1024", "--size"))
    assert boxes(found) == EXPECTED
    assert "x, y, w, h by 'Bbox [x', 'y', 'w', 'h]'" in found.read[0]
    assert "not read" not in found.read[0]


def test_parquet_is_read_and_paths_or_names_without_an_ending_are_the_images(read):
    frame = drawn().assign(image=["a/b/" + A, B.removesuffix(".png"), C])
    assert boxes(read(frame, parquet=True)) == EXPECTED


WORSE = (A, "Mass", 0, 0, 128, 128)
AWAY = (A, "Nodule", 0, 0, 128, 128)


def test_of_several_boxes_the_first_counts_and_not_the_best(read):
    found = read(drawn([WORSE, *DRAWN]))
    assert boxes(found) == [[0, 0, 0.125, 0.125], *EXPECTED[1:]]
    assert found.read[1] == (
        "  4 of its boxes are of cases, 0 are not judged; of 1 cases with several the first in "
        "the file counts"
    )


@pytest.mark.parametrize(("scores", "first"), [((0.2, 0.9), 1), ((0.9, 0.2), 0), ((0.5, 0.5), 0)])
def test_of_several_boxes_that_of_the_highest_score_counts(read, scores, first):
    frame = drawn([WORSE, *DRAWN]).assign(Confidence=[*scores, 0.1, 0.1])
    found = read(frame)
    assert boxes(found)[0] == [[0, 0, 0.125, 0.125], EXPECTED[0]][first]
    assert "of 1 cases with several the one of highest 'Confidence' counts" in found.read[1]


def test_boxes_of_no_case_are_counted_and_not_judged(read):
    found = read(drawn([*DRAWN, AWAY]))
    assert boxes(found) == EXPECTED
    assert found.read[1] == "  3 of its boxes are of cases, 1 are not judged"


def test_a_box_that_is_the_whole_image_points_nowhere(read):
    found = read(drawn([(A, "Mass", 0, 0, 1024, 1024)]))
    assert found.detections[0].empty
    assert found.detections[0].box.tolist() == [0, 0, 1, 1]


def test_a_box_that_ends_a_little_beyond_the_edge_is_cut_there_and_counted(read):
    found = read(drawn([(A, "Mass", -5, 512, 517, 520)]))
    assert boxes(found)[0] == [0, 0.5, 0.5, 1]
    assert "1 cut at the edge of the image" in found.read[0]


def test_boxes_that_end_early_are_asked_after(read):
    frame = drawn()
    frame[FOUR] /= 8
    asked = "end at 0.12 of the image's side or before: if their frame is a smaller one, --size"
    assert asked in read(frame).read[0]


def changed(**columns):
    return drawn().assign(**columns)


REFUSED = {
    "an unknown finding": (
        changed(finding=["Mass", "Nodul", "Mass"]),
        "mine.csv, row 3, column finding: unknown finding 'Nodul'; did you mean Nodule?",
    ),
    "an image that the labels lack": (
        changed(image=[A, "00000009_000.png", B]),
        "mine.csv: 1 of 3 images are not in the labels; first: 00000009_000.png (row 3), where "
        "names are such as 00000000_000.png",
    ),
    "another frame": (
        changed(x=[256, 512, 2048]),
        "mine.csv: 1 of 3 boxes reach beyond pixels of 1024 x 1024; first: row 4 "
        f"({C}), from x = 2048, y = 0 to x = 2560, y = 1024; they are probably drawn in another "
        "frame: --size says which",
    ),
    "a box that begins before the image": (
        changed(y=[-100, 512, 0]), "1 of 3 boxes reach beyond pixels of 1024 x 1024; first: row 2"
    ),
    "fractions among pixels": (
        drawn([(A, "Mass", 0.25, 0.25, 0.5, 0.5)]),
        "mine.csv: all 1 boxes lie between 0 and 1, which is a single one of the pixels of "
        "1024 x 1024; of fractions say --size fractions",
    ),
    "a negative size": (
        changed(w=[512, -3, -4]),
        f"mine.csv, row 3 ({B}): a box -3 wide and 512 high, expected both above 0; 1 others are "
        "so, too; read as x, y, w, h by 'x', 'y', 'w', 'h'",
    ),
    "a gap": (
        changed(h=[512, None, 512]),
        f"mine.csv, row 3 ({B}), column h: nan is no number; a case without a box has no row",
    ),
    "a score that is none": (
        changed(score=["0.3", "high", "0.2"]), f"row 3 ({B}), column score: high is no number"
    ),
    "no box of a case": (
        drawn([(D, "Mass", 0, 0, 256, 256)]),
        "mine.csv: none of its 1 boxes is of a finding that radiologists boxed on that image; "
        f"first: Mass on {D}, where cases are such as Mass on {A}",
    ),
    "two columns of one meaning": (
        changed(label="Mass"),
        "mine.csv: 'finding' and 'label' are both columns of finding; keep one of them",
    ),
    "two columns of one name": (
        "image,finding,x,x,y,w,h\n", "mine.csv: has several columns called x"
    ),
    "two forms": (
        changed(x1=1, y1=1, x2=2, y2=2),
        "mine.csv: holds boxes in 2 forms: x, y, w, h; x1, y1, x2, y2; keep the columns of one",
    ),
    "no form": (
        drawn().drop(columns="h"),
        "mine.csv: no columns of a box; expected one of these four: x, y, w, h; x1, y1, x2, y2; "
        "x0, y0, x1, y1; centre and size; found image, finding, x, y, w",
    ),
    "no finding": (
        drawn().drop(columns="finding"),
        "mine.csv: no column names the finding of a box; expected finding or Finding Label",
    ),
    "no image": (drawn().drop(columns="image"), "mine.csv: no column names the radiograph"),
    "no row": (drawn([]), "mine.csv: holds no box"),
    "nothing": ("", "mine.csv: an empty file (0 bytes)"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_named(read, case):
    frame, message = REFUSED[case]
    with pytest.raises(PipelineError, match=re.escape(message)):
        read(frame)


@pytest.mark.parametrize("told", ["0", "-512", "big", "0.5", "nan", "inf"])
def test_a_size_that_is_none_is_refused(told):
    with pytest.raises(PipelineError, match=f"--size {told}: expected the side in pixels"):
        frame_told(told, "--size")


def test_true_boxes_in_another_frame_or_of_other_images_are_refused(tmp_path):
    write_cohort(tmp_path)
    with pytest.raises(PipelineError, match=r"reach beyond pixels of 512 x 512; .*--boxes-size"):
        cohort(tmp_path, size="512")
    write_cohort(tmp_path, true=[("x.png", "Mass", 0, 0, 512, 900)])
    with pytest.raises(PipelineError, match="none of its 1 boxes is on an image of the labels"):
        cohort(tmp_path)


def test_true_boxes_are_cases_by_image_and_finding(given):
    cases, _ = given
    assert [(case.image_index, case.finding, len(case.truths)) for case in cases] == [
        (A, "Mass", 1), (B, "Mass", 2), (C, "Infiltration", 1), (D, "Nodule", 1),
    ]  # fmt: skip
    assert [case.patient_id for case in cases] == [0, 1, 1, 2]
    assert np.array_equal(cases[1].truths, [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]])


def test_true_boxes_on_images_that_the_labels_lack_are_counted(tmp_path):
    write_cohort(tmp_path, true=[(A, "Mass", 0, 0, 900, 900), ("x.png", "Mass", 0, 0, 9, 900)])
    (line,) = given_cases(tmp_path).read
    assert line == (
        "true.csv: 2 boxes, in pixels of 1024 x 1024; 1 on images that the labels lack: not used; "
        "1 cases on 1 images of 1 patients"
    )
