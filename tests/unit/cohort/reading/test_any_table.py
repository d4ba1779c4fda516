"""Tables of public cohorts, and of anybody, become NIH's index; what they lack is unknown."""

import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml
from public_tables import (
    CHEXPERT,
    CHEXPERT_HEADER,
    MADE,
    PADCHEST,
    RSNA,
    VINDR,
    Made,
    write_cohort,
)
from ran_ingest import run_ingest

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import known, read_index
from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.cohort.reading.columns.any_table import parse_tables
from pipeline.cohort.reading.columns.layouts import LAYOUTS
from pipeline.cohort.reading.columns.readers import READERS
from pipeline.errors import CohortError, ParamsError
from pipeline.params.columns import ColumnsParams
from pipeline.params.whole import load_params, parse_params
from tests.stages.conftest import REPO

UNKNOWN = None


def parsed(name, *texts, uncertain="ignore", **changes):
    texts = texts or tuple(MADE[name].tables.values())
    files = [TextFile(f"{place}.csv", text) for place, text in enumerate(texts)]
    return parse_tables(files, LAYOUTS[name].model_copy(update=changes), uncertain=uncertain)


def labels_of(entries, finding):
    column = entries.table[finding]
    return [UNKNOWN if pd.isna(label) else bool(label) for label in column]


@pytest.fixture(scope="module")
def chexpert():
    return parsed("chexpert")


def test_images_of_a_path_are_told_apart_by_its_last_parts(chexpert):
    assert chexpert.table["image_index"].tolist() == [
        "patient00001_study1_view1_frontal.jpg",
        "patient00002_study1_view1_frontal.jpg",
        "patient00002_study2_view1_frontal.jpg",
        "patient00003_study1_view1_frontal.jpg",
        "patient00004_study2_view1_frontal.jpg",
        "patient64541_study1_view1_frontal.jpg",
    ]
    assert chexpert.table["patient_id"].tolist() == [1, 2, 2, 3, 4, 64541]
    assert chexpert.table["follow_up"].tolist() == [0, 0, 1, 0, 0, 0]


def test_age_gender_and_view_are_read_and_null_where_nothing_is_said(chexpert):
    table = chexpert.table
    assert table["age_years"].tolist()[:3] == [68, 83, 87]
    assert np.isnan(table["age_years"][3])
    assert chexpert.absurd_ages == [
        {"image_index": "patient00003_study1_view1_frontal.jpg", "age": "411"}
    ]
    assert table["gender"].where(table["gender"].notna(), None).tolist() == [
        "F", "F", "F", "M", None, "M",
    ]  # fmt: skip
    assert table["view_position"].where(table["view_position"].notna(), None).tolist() == [
        "AP", "AP", "AP", "PA", None, "AP",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("uncertain", "label"), [("ignore", UNKNOWN), ("zeros", False), ("ones", True)]
)
def test_uncertain_labels_become_what_they_are_told(uncertain, label):
    entries = parsed("chexpert", uncertain=uncertain)
    assert labels_of(entries, "Cardiomegaly") == [False, False, label, False, True, True]
    assert labels_of(entries, "Edema") == [False, False, label, True, False, False]
    assert entries.taken["labels_uncertain"]["Consolidation"] == 2


def test_blank_labels_are_absent_or_unknown(chexpert):
    assert labels_of(chexpert, "Pneumothorax") == [False] * 6
    blank = parsed("chexpert", blank="ignore")
    of_no_finding = False  # the first image: what is blank there is said by No Finding
    assert labels_of(blank, "Pneumonia") == [
        of_no_finding, UNKNOWN, UNKNOWN, UNKNOWN, True, False,
    ]  # fmt: skip


def test_findings_that_a_table_lacks_are_unknown_and_names_that_none_has_are_counted(chexpert):
    for finding in ("Infiltration", "Mass", "Nodule", "Emphysema", "Fibrosis", "Hernia"):
        assert labels_of(chexpert, finding) == [UNKNOWN] * 6
    taken = chexpert.taken
    assert taken["names_dropped"] == {
        "Enlarged Cardiomediastinum": 1, "Fracture": 2, "Lung Lesion": 0, "Lung Opacity": 3,
        "Pleural Other": 1, "Support Devices": 3,
    }  # fmt: skip
    assert taken["rows_left_out"] == {"Frontal/Lateral = Lateral": 1, "AP/PA = LL": 1}
    assert taken["rows_beside_the_first_of_an_image"] == 1
    assert taken["labels_unknown"]["Hernia"] == 6
    assert taken["genders_unknown"] == taken["views_unknown"] == 1
    json.dumps(taken)


def test_padchest_s_lists_dates_and_views_are_read():
    entries = parsed("padchest")
    table = entries.table.set_index("image_index")
    first, effusion, unlabelled, thick = (
        table.loc[name]
        for name in (
            "2020536686640136348236148891891455864_1_00-0.png",
            "1365037694237703015_x5c.png",
            "1365037694237703017_x5c.png",
            "1365037694237703018_x5c.png",
        )
    )
    assert len(table) == 4
    assert entries.taken["rows_left_out"] == {"Projection = L": 1, "Projection = UNK": 1}
    assert (first["age_years"], first["gender"], first["view_position"]) == (84, "F", "PA")
    assert (effusion["age_years"], effusion["gender"], effusion["view_position"]) == (
        86,
        "M",
        "AP",
    )
    assert effusion[["Effusion", "Hernia", "Nodule"]].tolist() == [True, True, True]
    assert not effusion["Infiltration"]
    assert thick[["Pleural_Thickening", "Infiltration"]].tolist() == [True, True]
    assert entries.absurd_ages == [
        {"image_index": "1365037694237703018_x5c.png", "age": "20160104 less 1603.0"}
    ]
    assert np.isnan(unlabelled["age_years"])
    assert pd.isna(unlabelled["gender"])
    assert unlabelled[list(FINDINGS)].isna().all()  # nobody has labelled it
    assert not first[["Effusion", "Hernia"]].any()
    assert table["Edema"].isna().all()  # never named in this table
    assert table["patient_id"].nunique() == 4
    assert entries.taken["names_dropped"] == {"COPD signs": 2, "unchanged": 1}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("any", {"Cardiomegaly": True, "Pleural_Thickening": True, "Fibrosis": False}),
        ("majority", {"Cardiomegaly": True, "Pleural_Thickening": False, "Fibrosis": False}),
        ("unanimous", {"Cardiomegaly": None, "Pleural_Thickening": None, "Fibrosis": False}),
    ],
)
def test_radiologists_vote(rule, expected):
    entries = parsed("vindr", readers=rule)
    images = entries.table.set_index("image_index")
    row = images.loc["9a5094b2563a1ef3ff50dc5c7ff71345"]
    assert {name: UNKNOWN if pd.isna(row[name]) else bool(row[name]) for name in expected} == (
        expected
    )
    other = images.loc["051132a778e61a86eb147c7c6f564dfe", "Fibrosis"]
    assert (UNKNOWN if pd.isna(other) else bool(other)) == (None if rule == "unanimous" else True)
    assert not images.loc["50a418190bc3fb1ef1633bf9678929b3", "Cardiomegaly"]
    assert entries.taken["names_dropped"] == {"Aortic enlargement": 1, "Nodule/Mass": 1}
    assert images["patient_id"].nunique() == 3
    assert images["Mass"].isna().all()


@pytest.mark.parametrize("rule", READERS)
def test_readers_who_agree_are_believed(rule):
    yes, said = np.array([[0, 3, 0]]), np.array([[3, 3, 0]])
    np.testing.assert_array_equal(READERS[rule](yes, said), [[0.0, 1.0, np.nan]])


def test_a_column_for_each_finding_may_have_readers_too():
    text = "image_id,rad_id,Effusion,No finding\na,R1,1,0\na,R2,0,1\na,R3,1,0\nb,R1,0,1\n"
    changes = {"labels": ["Effusion", "No finding"], "separator": None}
    assert labels_of(parsed("vindr", text, **changes), "Effusion") == [True, False]


def test_rsna_s_two_tables_tell_of_pneumonia_alone():
    for name in ("rsna", "rsna_classes"):
        entries = parsed(name)
        assert labels_of(entries, "Pneumonia") == [False, False, True]
        assert entries.table["Edema"].isna().all()
    assert entries.taken["names_dropped"] == {"No Lung Opacity / Not Normal": 1}
    assert entries.table["age_years"].isna().all()
    assert entries.table["view_position"].isna().all()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("chexpert", ",Age,", ",Years,", r"lacks the columns \['Age'\]; its header is"),
        ("chexpert", "Female,68", "Female,old", r"row 2: Age is 'old'; expected an age such as"),
        ("chexpert", "Male,411", "X1,41", r"row 6: Sex is 'X1'; expected M, F, male, female"),
        ("chexpert", "-1.0,1.0", "-2.0,1.0", r"Cardiomegaly is '-2.0'; expected 1, 0, -1 \(unc"),
        ("chexpert", "patient00003/", "pat3/", r"Path is .*; expected a patient as in ingest"),
        ("chexpert", "Frontal/Lateral,AP", "Which,AP", r"lacks the columns \['Frontal/Lateral'\]"),
        ("padchest", "['normal']", "normal", r"Labels is 'normal'; expected names as a list"),
        ("padchest", "20150702", "July", r"StudyDate_DICOM is 'July'; expected a year or a date"),
        (
            "rsna",
            "213.0,379.0,1",
            "213.0,379.0,0",
            r"row 4: 00436515.*row 3, with a label of Pneu",
        ),
        ("rsna", "0004cfab-14fd-4e49-80ba-63a80b6bddd6", "", "expected the name of an image"),
    ],
)
def test_what_is_wrong_is_named_with_row_and_expectation(name, old, new, message):
    texts = [text.replace(old, new) for text in MADE[name].tables.values()]
    with pytest.raises(CohortError, match=message):
        parsed(name, *texts[:1])


def test_a_table_of_no_finding_asks_what_its_names_mean():
    with pytest.raises(CohortError, match=r"names none of the 14 findings; .*findings what .*: a"):
        parsed("vindr", "image_id,class_name,rad_id\nx,a,R1\n")


def test_a_table_of_which_no_row_is_wanted_says_what_its_rows_are():
    with pytest.raises(CohortError, match=r"no row is left to take \(Sex = Female: 5, "):
        parsed("chexpert", only={"Sex": ["nobody"]})


@pytest.mark.parametrize(("name", "only"), [("padchest", "PatientID"), ("chexpert", "Sex")])
def test_a_file_of_which_no_row_is_wanted_adds_nothing(name, only):
    text = next(iter(MADE[name].tables.values()))
    other = text.replace("Male", "x").replace("Female", "x").replace(",8,1603", ",x,1603")
    wanted = {only: ["8", "male", "female"]}
    one, both = (parsed(name, *texts, only=wanted) for texts in ((text,), (text, other)))
    pd.testing.assert_frame_equal(one.table, both.table)


@pytest.mark.parametrize(
    ("age", "years"), [("58", 58), ("58.5", 58.5), ("011M", 11 / 12), ("nan", None), ("", None)]
)
def test_ages_are_years_however_they_are_written(age, years):
    entries = parsed("chexpert", CHEXPERT.replace("Male,411", f"Male,{age}"))
    (found,) = entries.table.loc[entries.table["patient_id"] == 3, "age_years"]
    assert found == pytest.approx(years) if years else np.isnan(found)


def test_an_image_under_two_patients_is_refused():
    twice = CHEXPERT.replace("patient00003/study1", "patient00002/study1").replace(",411,", ",83,")
    with pytest.raises(
        CohortError, match=r"row 6: patient00002_study1.*row 4, with a view|gender"
    ):
        parsed("chexpert", twice)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_cohort_is_ingested_whatever_its_table(tmp_path, name):
    made = MADE[name]
    folder = write_cohort(tmp_path / "cohort", made)
    cache = run_ingest(folder, tmp_path / "cache", columns=name)
    index, report = read_index(cache / "index.parquet"), read_json(cache / "report.json")
    assert index["image_index"].tolist() == parsed(name).table["image_index"].tolist()
    assert bool(report["table"]["names_dropped"]) == (name != "rsna")
    assert report["images"]["used"] == len(index) == report["images"]["in_table"]
    assert not known(index, "Emphysema").any()
    assert (index[["width", "height"]] == 40).all().all()


def test_zipped_images_are_found_by_the_last_parts_of_their_paths(tmp_path):
    made = MADE["chexpert"]
    folder = write_cohort(tmp_path / "cohort", made)
    with zipfile.ZipFile(folder / "small.zip", "w") as archive:
        for image in made.images:
            archive.write(folder / image, image)
            (folder / image).unlink()
    cache = run_ingest(folder, tmp_path / "cache", columns="chexpert")
    report = read_json(cache / "report.json")
    assert report["images"]["missing"] == 0
    assert report["images"]["not_in_table"] == 2  # a lateral view, and one of an unknown view


def test_a_missing_table_is_named(tmp_path):
    folder = write_cohort(tmp_path / "cohort", Made({"other.csv": RSNA}, []))
    with pytest.raises(CohortError, match=r"none of the tables of ingest.columns \(stage_2_train"):
        run_ingest(folder, tmp_path / "cache", columns="rsna")


def test_columns_may_be_written_out(tmp_path):
    folder = write_cohort(tmp_path / "cohort", MADE["vindr"])
    written = LAYOUTS["vindr"].model_dump() | {"readers": "any"}
    cache = run_ingest(folder, tmp_path / "cache", columns=written)
    assert read_index(cache / "index.parquet")["Pleural_Thickening"].sum() == 1


def read_json(path):
    return json.loads(path.read_text())


def values(**changes):
    found = yaml.safe_load((REPO / "tests/tiny.yaml").read_text())
    found["ingest"]["columns"] = LAYOUTS["chexpert"].model_dump() | changes
    return found


def test_a_layout_of_one_s_own_is_checked_key_by_key():
    assert parse_params(values()).ingest.columns == LAYOUTS["chexpert"]
    assert load_params(REPO / "params.yaml").ingest.columns == "nih"
    bad = {
        "imgae": "Path", "labels": "Labels", "findings": {"Mass": "Lump"}, "image_parts": 0,
        "patient_pattern": "patient",
    }  # fmt: skip
    with pytest.raises(ParamsError) as error:
        parse_params(values(**bad))
    said = str(error.value)
    for line in (
        r"ingest.columns.imgae: unknown key; did you mean image?",
        "ingest.columns.findings.Mass: must be one of the 14 findings, No Finding, or none",
        "ingest.columns.image_parts: input should be greater than or equal to 1",
        "ingest.columns.patient_pattern: must be a regular expression with one group",
    ):
        assert line in said
    with pytest.raises(ParamsError, match=r"ingest\.columns\.separator: is of a column of names"):
        parse_params(values(labels="Labels"))
    other = values()
    other["ingest"]["columns"] = "chexprt"
    with pytest.raises(ParamsError, match=r"ingest\.columns: input should be 'nih', 'chexpert'"):
        parse_params(other)
    lacking = values()
    del lacking["ingest"]["columns"]["view"]
    with pytest.raises(ParamsError, match=r"ingest\.columns\.view: missing"):
        parse_params(lacking)


def test_the_section_in_the_docs_is_one():
    page = (REPO / "docs/own_data.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.S)
    told = yaml.safe_load(block)["ingest"]["columns"]
    found = yaml.safe_load((REPO / "tests/tiny.yaml").read_text())
    found["ingest"]["columns"] = told
    assert parse_params(found).ingest.columns.findings == {"Water in the chest": "Effusion"}
    assert set(told) == set(ColumnsParams.model_fields)


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_is_told_of_in_the_docs(name):
    page = (REPO / "docs/own_data.md").read_text()
    (row,) = re.findall(rf"^\| `{name}` \|.*$", page, re.M)
    assert all(f"`{table}`" in row for table in LAYOUTS[name].tables)


def test_headers_are_those_of_the_cohorts():
    assert len(CHEXPERT_HEADER.split(",")) == 19
    assert PADCHEST.startswith(",ImageID,")
    assert VINDR.startswith("image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n")
