"""Bad tables in the layouts of other cohorts than NIH's."""

import json
from collections.abc import Callable
from pathlib import Path

from inputs import BadInput
from public_tables import MADE, Made, write_cohort
from ran_ingest import run_ingest

from pipeline.base.tables import read_index


def given(name: str, old: str, new: str, **options: object) -> Callable[[Path], Path]:
    """A call of `ingest` on a public cohort in whose tables something is replaced."""

    def call(folder: Path) -> Path:
        made = MADE[name]
        assert any(old in text for text in made.tables.values())
        tables = {file: text.replace(old, new) for file, text in made.tables.items()}
        source = write_cohort(folder / "cohort", Made(tables, made.images))
        return run_ingest(source, folder / "cache", columns=name, **options)

    return call


def counted(
    name: str, old: str, new: str, key: str, expected: object, **options: object
) -> Callable[[Path], None]:
    """The same, which must come to this entry of the report's `table`."""

    def call(folder: Path) -> None:
        cache = given(name, old, new, **options)(folder)
        assert json.loads((cache / "report.json").read_text())["table"][key] == expected
        assert len(read_index(cache / "index.parquet")) > 0

    return call


ANY_TABLES = {
    "other_no_table": BadInput(
        "a folder without the table of its layout",
        lambda folder: run_ingest(
            write_cohort(folder / "cohort", Made({}, MADE["rsna"].images)), folder / "cache",
            columns="rsna",
        ),
        "…/cohort: holds none of the tables of ingest.columns (stage_2_train_labels.csv), nor one "
        "of them with .gz, up to 2 folders below; put it there, or name another in "
        "ingest.columns.tables",
    ),
    "other_column": BadInput(
        "a table without a column of its layout",
        given("chexpert", ",AP/PA,", ",View,"),
        "train.csv: lacks the columns ['AP/PA']; its header is […]",
    ),
    "other_label": BadInput(
        "a label that is neither 1, 0 nor -1",
        given("chexpert", ",-1.0,1.0,,-1.0,-1.0", ",maybe,1.0,,-1.0,-1.0"),
        "train.csv, row 3: Cardiomegaly is 'maybe'; expected 1, 0, -1 (uncertain) or nothing",
    ),
    "other_list": BadInput(
        "labels that are no list",
        given("padchest", "['pneumonia']", "pneumonia", partial=True),
        read_as="the table: the row is of another view than PA and AP, and left out",
    ),
    "other_list_used": BadInput(
        "labels of a row that is used, that are no list",
        given("padchest", "PA,Manual review of DICOM fields,No,sin hallazg,Physician,['normal']",
              "PA,x,No,x,Physician,normal"),
        "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv, row 2: Labels is 'normal'; "
        "expected names as a list, such as ['pneumonia', 'normal'], or nothing",
    ),
    "other_gender": BadInput(
        "a blank gender, or one such as `Unknown`",
        counted("chexpert", "Female,87", ",87", "genders_unknown", 2),
        read_as="unknown",
    ),
    "other_gender_wrong": BadInput(
        "a gender that is a number",
        given("chexpert", "Female,87", "2,87"),
        "train.csv, row 3: Sex is '2'; expected M, F, male, female, or nothing",
    ),
    "other_patient": BadInput(
        "a path without a patient",
        given("chexpert", "patient00003", "p00003"),
        "train.csv, row 6: Path is 'CheXpert-v1.0-small/train/p00003/study1/view1_frontal.jpg'; "
        "expected a patient as in ingest.columns.patient_pattern, 'patient(\\\\d+)'",
    ),
    "other_copies": BadInput(
        "a row that is there twice",
        counted("chexpert", "", "", "rows_beside_the_first_of_an_image", 1),
        read_as="one image, and counted",
    ),
    "other_differing": BadInput(
        "two rows of an image that differ",
        given("rsna", "562.0,152.0,256.0,453.0,1", "562.0,152.0,256.0,453.0,0"),
        "stage_2_train_labels.csv, row 4: 00436515-870c-4b36-a041-de91049b9ab4 came before, in "
        "stage_2_train_labels.csv, row 3, with a label of Pneumonia of 1, now 0; rows of one "
        "image may be copies, and no more: remove one, or name the column that tells readers "
        "apart in ingest.columns.reader",
    ),
    "other_findings": BadInput(
        "a table that names none of the 14 findings",
        given("rsna_classes", "Lung Opacity", "Opaque"),
        "stage_2_detailed_class_info.csv: names none of the 14 findings; say in "
        "ingest.columns.findings what its names mean: No Opaque / Not Normal, Opaque",
    ),
    "other_lateral": BadInput(
        "lateral views beside frontal ones",
        counted("padchest", "", "", "rows_left_out",
                {"Projection = L": 1, "Projection = UNK": 1}),
        read_as="the frontal ones; the others are left out, and counted",
    ),
}  # fmt: skip
