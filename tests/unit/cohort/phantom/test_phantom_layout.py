"""The synthetic cohort on disk is in NIH's layout, to the letter."""

import csv
import json

import pandas as pd
import pytest

from pipeline.base.findings import FINDINGS
from pipeline.cohort.phantom.layout import CohortImage, PixelBox, write_cohort

NAMES = ["00000001_000.png", "00000002_000.png"]


@pytest.fixture
def entries() -> pd.DataFrame:
    labels = pd.DataFrame(False, index=range(2), columns=list(FINDINGS))
    labels.loc[0, ["Pleural_Thickening", "Effusion", "Infiltration"]] = True
    metadata = pd.DataFrame(
        {
            "image_index": NAMES,
            "follow_up": [0, 3],
            "patient_id": [1, 2],
            "age_years": [57, 8],
            "gender": ["M", "F"],
            "view_position": ["PA", "AP"],
            "width": [2992, 2500],
            "height": [2991, 2048],
            "spacing_mm": [0.14300000000000002, 0.168],
        }
    )
    return pd.concat([metadata, labels], axis=1)


@pytest.fixture
def folder(tmp_path, entries):
    images = [
        CohortImage(NAMES[0], b"png of 00000001_000.png", {}),
        CohortImage(
            NAMES[1], b"png of 00000002_000.png", {"Infiltration": PixelBox(10.0, 20.5, 30.0, 4.0)}
        ),
    ]
    place = tmp_path / "cohort"
    write_cohort(place, images, entries, NAMES[:1], NAMES[1:], {"mean_auroc": 0.9})
    return place


def test_the_entries_are_written_as_nih_writes_them(folder):
    assert (folder / "Data_Entry_2017_v2020.csv").read_bytes() == (
        b"Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
        b"View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]\n"
        b"00000001_000.png,Effusion|Infiltration|Pleural_Thickening,0,1,57,M,PA,2992,2991,"
        b"0.14300000000000002,0.14300000000000002\n"
        b"00000002_000.png,No Finding,3,2,8,F,AP,2500,2048,0.168,0.168\n"
    )


def test_the_header_has_as_many_columns_as_the_rows(folder):
    with (folder / "Data_Entry_2017_v2020.csv").open(newline="") as file:
        assert {len(row) for row in csv.reader(file)} == {11}


def test_the_box_list_says_infiltrate(folder):
    assert (folder / "BBox_List_2017.csv").read_bytes() == (
        b"Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
        b"00000002_000.png,Infiltrate,10.0,20.5,30.0,4.0\n"
    )


def test_the_lists_end_without_a_newline(folder):
    assert (folder / "train_val_list.txt").read_bytes() == b"00000001_000.png"
    assert (folder / "test_list.txt").read_bytes() == b"00000002_000.png"


def test_images_and_ceiling_lie_beside_the_tables(folder):
    assert {p.name: p.read_bytes() for p in (folder / "images").iterdir()} == {
        name: b"png of " + name.encode() for name in NAMES
    }
    assert json.loads((folder / "ceiling.json").read_text()) == {"mean_auroc": 0.9}


def test_a_failure_midway_leaves_what_was_there(folder, entries):
    before = sorted(p.name for p in folder.rglob("*"))

    def images():
        yield CohortImage(NAMES[0], b"new", {})
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_cohort(folder, images(), entries, [], [], {})
    assert sorted(p.name for p in folder.rglob("*")) == before
    assert (folder / "images" / NAMES[0]).read_bytes() == b"png of 00000001_000.png"
    assert [p.name for p in folder.parent.iterdir()] == ["cohort"]
