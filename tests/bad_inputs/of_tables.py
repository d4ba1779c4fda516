"""Bad tables, lists and boxes."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from inputs import IMAGES, BadInput, as_usual, ingested, refused
from ran_ingest import params_of, run_ingest
from tiny_cohort import HEADER_V2020, V2020, name, row, table, write_flat

from pipeline.base.tables import read_boxes, read_index, read_official_lists
from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.cohort.reading.nih import parse_entries
from stages import split

AGES = ("0{}Y", "{}y", "{}.0")
LISTS = ("train_val_list.txt", "test_list.txt")
NAMES = [name(number) for number in range(len(IMAGES))]
TABLE = table(range(len(IMAGES)))
BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"


def entries(old: str, new: str, count: int = -1) -> dict[str, dict[str, str]]:
    """The cohort with a table in which something is replaced."""
    assert old in TABLE
    return {"texts": {V2020: TABLE.replace(old, new, count)}}


def of_rows(change: Callable[[list[list[str]]], list[list[str]]]) -> dict[str, dict[str, str]]:
    """The cohort with a table whose cells, those of its header among them, are changed."""
    cells = change([line.split(",") for line in TABLE.splitlines()])
    return {"texts": {V2020: "\n".join(",".join(line) for line in cells) + "\n"}}


def one_row(number: int, old: str, new: str) -> dict[str, dict[str, str]]:
    """The cohort with a table in which something of one row is replaced."""
    line = row(number)
    assert old in line
    return entries(line, line.replace(old, new, 1))


def sizes_blank(rows: list[list[str]]) -> list[list[str]]:
    return [line if at == 0 else [*line[:7], "", "", *line[9:]] for at, line in enumerate(rows)]


def repeated_column(rows: list[list[str]]) -> list[list[str]]:
    return [[*line, line[3]] for line in rows]


def age_of(age: str, expected: float | None) -> Callable[[Path], None]:
    """A call with this age in the second row, which is read as so many years or as none."""

    def call(folder: Path) -> None:
        cache = ingested(folder, **one_row(1, ",41,", f",{age},"))
        (found,) = read_index(cache / "index.parquet")["age_years"][1:2]
        assert found == expected or (expected is None and found != found)
        counts = json.loads((cache / "report.json").read_text())["ages"]
        assert counts["made_null"] + counts["missing"] == (expected is None)

    return call


def without_table(folder: Path) -> None:
    source = write_flat(folder / "cohort", IMAGES)
    (source / V2020).rename(source / "Data_Entry_mine.csv")
    run_ingest(source, folder / "cache")


def with_zipped_table(folder: Path) -> None:
    source = write_flat(folder / "cohort", IMAGES)
    (source / V2020).rename(source / f"{V2020}.zip")
    run_ingest(source, folder / "cache")


def with_dangling_table(folder: Path) -> None:
    source = write_flat(folder / "cohort", IMAGES)
    (source / V2020).unlink()
    (source / V2020).symlink_to("nowhere")
    run_ingest(source, folder / "cache")


def with_cut_gzip(folder: Path) -> None:
    source = write_flat(folder / "cohort", IMAGES)
    (source / V2020).unlink()
    (source / f"{V2020}.gz").write_bytes(gzip.compress(TABLE.encode())[:-9])
    run_ingest(source, folder / "cache")


def sizes(table: str) -> Callable[[Path], None]:
    """A call with this table, in which the originals are 2500 x 2048 pixels."""

    def call(folder: Path) -> None:
        ingested(folder, texts={V2020: table})
        originals = parse_entries(TextFile(V2020, table)).originals
        assert set(originals["width"]) == {2500}
        assert set(originals["height"]) == {2048}

    return call


def without_sizes(**given: object) -> Callable[[Path], None]:
    """As `as_usual`, of a table that does not give the sizes of the originals."""

    def call(folder: Path) -> None:
        as_usual(**given)(folder)
        table = given["texts"][V2020]
        assert parse_entries(TextFile(V2020, table)).originals["width"].isna().all()

    return call


TABLES = {
    "sex": BadInput(
        "the column `Patient Sex` of NIH's table of today, or `Patient Gender` of earlier ones",
        as_usual(**entries("Patient Gender", "Patient Sex")),
        read_as="one thing",
    ),
    "column_spelling": BadInput(
        "columns spelt `image_index`, `FINDING LABELS`, `Follow-up`, `Patient.ID`",
        as_usual(
            **entries(
                "Image Index,Finding Labels,Follow-up #,Patient ID",
                "image_index,FINDING LABELS,Follow-up,Patient.ID",
            )
        ),
        read_as="the columns that are meant",
    ),
    "kaggle_sizes": BadInput(
        "Kaggle's `OriginalImageWidth`, `OriginalImageHeight`",
        sizes(TABLE.replace("[Width,Height]", "Width,OriginalImageHeight")),
        read_as="NIH's columns",
    ),
    "first_seven_columns": BadInput(
        "a table of the first seven columns only",
        without_sizes(**of_rows(lambda rows: [line[:7] for line in rows])),
        read_as="the table; sizes of the originals are not known",
    ),
    "blank_sizes": BadInput(
        "blank sizes of the originals",
        without_sizes(**of_rows(sizes_blank)),
        read_as="not known",
    ),
    "sizes_with_point": BadInput(
        "sizes such as `3056.0`",
        sizes(TABLE.replace(",2500,2048,", ",2500.0,2048.0,")),
        read_as="whole numbers",
    ),
    "ages_with_units": BadInput(
        "ages as `041Y`, `41y` or `41.0`",
        as_usual(
            **of_rows(
                lambda rows: [
                    rows[0],
                    *(
                        [*line[:4], AGES[at % 3].format(line[4]), *line[5:]]
                        for at, line in enumerate(rows[1:])
                    ),
                ]
            )
        ),
        read_as="years",
    ),
    "finding_spelling": BadInput(
        "findings spelt `pleural thickening`, `EDEMA`",
        as_usual(**entries("Pleural_Thickening|Edema", "pleural thickening|EDEMA")),
        read_as="the findings that are meant",
    ),
    "reordered_columns": BadInput(
        "columns in another order",
        as_usual(**of_rows(lambda rows: [line[::-1] for line in rows])),
        read_as="the same table",
    ),
    "extra_columns": BadInput(
        "further columns",
        as_usual(**of_rows(lambda rows: [[f"x{at}", *line] for at, line in enumerate(rows)])),
        read_as="the table without them",
    ),
    "semicolons": BadInput(
        "semicolons between cells",
        as_usual(**entries(",", ";")),
        read_as="the same table",
    ),
    "bom_crlf": BadInput(
        "a byte order mark and Windows' line ends",
        as_usual(texts={V2020: "\ufeff" + TABLE.replace("\n", "\r\n")}),
        read_as="the same table",
    ),
    "utf16": BadInput(
        "UTF-16, as Excel's “Unicode text” is",
        as_usual(texts={V2020: TABLE.replace(",", "\t").encode("utf-16")}),
        read_as="the same table",
    ),
    "latin1": BadInput(
        "text in latin-1",
        refused(texts={V2020: TABLE.replace("Effusion", "Effusi\xf3n").encode("latin-1")}),
        "…/cohort/Data_Entry_2017_v2020.csv, row 3: not UTF-8 text (byte 0xf3); save it so",
    ),
    "missing_column": BadInput(
        "a table without a column",
        refused(**of_rows(lambda rows: [[*line[:6], *line[7:]] for line in rows])),
        "Data_Entry_2017_v2020.csv: lacks the columns ['View Position']; its header is […]",
    ),
    "repeated_column": BadInput(
        "a column that is there twice",
        refused(**of_rows(repeated_column)),
        "Data_Entry_2017_v2020.csv: 'Patient ID' and 'Patient ID' are both columns of Patient "
        "ID; keep one of them",
    ),
    "two_columns_of_one_meaning": BadInput(
        "`Patient Sex` beside `Patient Gender`",
        refused(
            **of_rows(
                lambda rows: [
                    [*line, "Patient Sex" if at == 0 else "F"] for at, line in enumerate(rows)
                ]
            )
        ),
        "Data_Entry_2017_v2020.csv: 'Patient Gender' and 'Patient Sex' are both columns of "
        "Patient Sex; keep one of them",
    ),
    "separated_by_blanks": BadInput(
        "another separator, such as `:`",
        refused(**entries(",", ":")),
        "Data_Entry_2017_v2020.csv: lacks the columns […]; its header is […]; is it separated by "
        "commas?",
    ),
    "empty": BadInput(
        "an empty file",
        refused(texts={V2020: ""}),
        "…/cohort/Data_Entry_2017_v2020.csv: an empty file (0 bytes)",
    ),
    "header_only": BadInput(
        "a header and no rows",
        refused(texts={V2020: HEADER_V2020 + "\n"}),
        "Data_Entry_2017_v2020.csv: holds a header and no rows",
    ),
    "lfs_pointer": BadInput(
        "a Git-LFS pointer in place of the table",
        refused(texts={V2020: "version https://git-lfs.github.com/spec/v1\n"}),
        "…/Data_Entry_2017_v2020.csv: a Git-LFS pointer, not the file it stands for: run `git lfs "
        "pull`",
    ),
    "html": BadInput(
        "a page of HTML, saved as the table",
        refused(texts={V2020: "<!DOCTYPE html><html>sign in</html>"}),
        "…/Data_Entry_2017_v2020.csv: a page of HTML, probably a download's error message",
    ),
    "no_table": BadInput(
        "a folder with a table under another name",
        without_table,
        "…/cohort: holds no Data_Entry_2017_v2020.csv nor Data_Entry_2017.csv (nor either with "
        ".gz); by their names these may be meant: Data_Entry_mine.csv",
    ),
    "open_quote": BadInput(
        "a quotation mark that is never closed",
        refused(**one_row(1, "Effusion", '"Effusion')),
        "Data_Entry_2017_v2020.csv, row …: not csv (unexpected end of data); is a quotation mark "
        "open?",
    ),
    "long_field": BadInput(
        "a cell of more than 131,072 characters",
        refused(**one_row(1, "Effusion", "Effusion" * 20_000)),
        "Data_Entry_2017_v2020.csv, row 3: not csv (field larger than field limit (131072)); is a "
        "quotation mark open?",
    ),
    "too_few_cells": BadInput(
        "a row with too few cells",
        refused(**entries(row(1), row(1).rsplit(",", 3)[0])),
        "Data_Entry_2017_v2020.csv, row 3: 8 cells; expected 11",
    ),
    "too_many_cells": BadInput(
        "a row with too many cells",
        refused(**entries(row(1), row(1) + ",more")),
        "Data_Entry_2017_v2020.csv, row 3: 12 cells; expected 11",
    ),
    "repeated_row": BadInput(
        "a radiograph in two rows",
        refused(texts={V2020: TABLE + row(1) + "\n"}),
        "Data_Entry_2017_v2020.csv, row 11: Image Index is '00000001_001.png'; expected every "
        "image once; this name came before",
    ),
    "unknown_finding": BadInput(
        "an unknown finding",
        refused(**one_row(1, "Effusion", "Efusion")),
        "Data_Entry_2017_v2020.csv, row 3: Finding Labels is 'Efusion'; expected 'No Finding' "
        "alone, or names joined by | out of Atelectasis, …, Hernia",
    ),
    "no_finding_and_one": BadInput(
        "`No Finding` beside a finding",
        refused(**one_row(1, "Effusion", "No Finding|Effusion")),
        "Data_Entry_2017_v2020.csv, row 3: Finding Labels is 'No Finding|Effusion'; expected 'No "
        "Finding' alone, …",
    ),
    "no_label": BadInput(
        "a row without a label",
        refused(**one_row(1, "Effusion", "")),
        "Data_Entry_2017_v2020.csv, row 3: Finding Labels is ''; expected 'No Finding' alone, …",
    ),
    "old_age": BadInput(
        "an age of 414 years",
        age_of("414", None),
        read_as="not known, counted in the report",
    ),
    "no_age": BadInput(
        "a blank age",
        age_of("", None),
        read_as="not known, counted in the report",
    ),
    "wordy_age": BadInput(
        "an age in words",
        refused(**one_row(1, ",41,", ",old,")),
        "Data_Entry_2017_v2020.csv, row 3: Patient Age is 'old'; expected an age such as 58, "
        "058Y, 011M or 001D, or nothing",
    ),
    "negative_age": BadInput(
        "a negative age",
        refused(**one_row(1, ",41,", ",-41,")),
        "Data_Entry_2017_v2020.csv, row 3: Patient Age is '-41'; expected an age such as …",
    ),
    "gender": BadInput(
        "a gender of neither M nor F",
        refused(**one_row(1, ",M,", ",O,")),
        "Data_Entry_2017_v2020.csv, row 3: Patient Gender is 'O'; expected M or F",
    ),
    "view": BadInput(
        "a lateral view in the table",
        refused(**one_row(1, ",AP,", ",LL,")),
        "Data_Entry_2017_v2020.csv, row 3: View Position is 'LL'; expected PA or AP",
    ),
    "patient": BadInput(
        "a patient without a number",
        refused(**one_row(1, ",1,1,", ",1,unknown,")),
        "Data_Entry_2017_v2020.csv, row 3: Patient ID is 'unknown'; expected a whole number",
    ),
    "wordy_size": BadInput(
        "a size that is no number",
        refused(**one_row(1, ",2500,", ",wide,")),
        "Data_Entry_2017_v2020.csv, row 3: OriginalImage[Width is 'wide'; expected a whole number",
    ),
    "half_a_pixel": BadInput(
        "a size of half pixels",
        refused(**one_row(1, ",2048,", ",2048.5,")),
        "Data_Entry_2017_v2020.csv, row 3: Height] is '2048.5'; expected a whole number",
    ),
    "path_as_name": BadInput(
        "a folder in an image's name",
        refused(**one_row(1, name(1), "images/" + name(1))),
        "Data_Entry_2017_v2020.csv, row 3: Image Index is 'images/00000001_001.png'; expected a "
        "file name, such as 00000001_000.png",
    ),
    "two_tables": BadInput(
        "two tables that differ, both under a usual name",
        refused(texts={"old/Data_Entry_2017_v2020.csv": TABLE.replace("Mass|Hernia", "Mass")}),
        "…/cohort/Data_Entry_2017_v2020.csv and …/cohort/old/Data_Entry_2017_v2020.csv may both "
        "be the … and differ; remove the one not meant",
    ),
    "zipped_table": BadInput(
        "a table as Kaggle packs single files, `….csv.zip`",
        with_zipped_table,
        "…/cohort: holds no Data_Entry_2017_v2020.csv nor Data_Entry_2017.csv (nor either with "
        ".gz); by their names these may be meant: Data_Entry_2017_v2020.csv.zip",
    ),
    "spreadsheet": BadInput(
        "a spreadsheet that is called .csv",
        refused(texts={V2020: b"PK\x03\x04" + bytes(99)}),
        "…/Data_Entry_2017_v2020.csv: a spreadsheet or zip archive; save it as csv or parquet",
    ),
    "dangling": BadInput(
        "a link to a table that is not there, as git-annex leaves it",
        with_dangling_table,
        "…/Data_Entry_2017_v2020.csv: cannot be read (No such file or directory)",
    ),
    "cut_gzip": BadInput(
        "a table whose gzip file was cut off",
        with_cut_gzip,
        "…/cohort/Data_Entry_2017_v2020.csv.gz: not a whole gzip file (…)",
    ),
}


def listed(train_val: str | None, test: str | None) -> Callable[[Path], Path]:
    """A call with these official lists; one that is None is not there."""

    def call(folder: Path) -> Path:
        source = write_flat(folder / "cohort", IMAGES)
        for file, text in zip(LISTS, (train_val, test), strict=True):
            (source / file).unlink()
            if text is not None:
                (source / file).write_text(text)
        return run_ingest(source, folder / "cache")

    return call


def lines(names: list[str]) -> str:
    return "\n".join(names) + "\n"


def split_of_lists(train_val: list[str], test: list[str]) -> Callable[[Path], None]:
    """A call of `split` behind that of `ingest`."""

    def call(folder: Path) -> None:
        cache = listed(lines(train_val), lines(test))(folder)
        split.main(
            index=cache / "index.parquet",
            lists=cache / "lists.parquet",
            out=cache / "splits.parquet",
            counts=cache / "counts.json",
            params=params_of(cache),
        )

    return call


def with_unknown_name(folder: Path) -> None:
    cache = listed(lines(NAMES[3:]), lines([*NAMES[:3], "a.png"]))(folder)
    counts = json.loads((cache / "report.json").read_text())["lists"]
    assert counts == {"train_val": 6, "test": 3, "not_in_table": 1}


def both_lists(train_val: str, test: str) -> Callable[[Path], None]:
    """A call with these lists, of which the second has the first three images."""

    def call(folder: Path) -> None:
        cache = listed(train_val, test)(folder)
        table = read_official_lists(cache / "lists.parquet").set_index("image_index")["official"]
        assert table.to_dict() == {
            name: "test" if name in NAMES[:3] else "train_val" for name in NAMES
        }

    return call


OFFICIAL_LISTS = {
    "list_spelling": BadInput(
        "lists of paths, quoted, with other endings than the table",
        both_lists(
            lines([f'"images/{name}"' for name in NAMES[3:]]),
            lines([name.replace(".png", ".jpg") for name in NAMES[:3]]),
        ),
        read_as="the table's images",
    ),
    "one_list": BadInput(
        "one of the two lists",
        listed(lines(NAMES), None),
        "the cohort has train_val_list.txt without its counterpart; expected train_val_list.txt "
        "and test_list.txt, or neither for a random split",
    ),
    "list_overlap": BadInput(
        "an image in both lists",
        listed(lines(NAMES[3:]), lines(NAMES[:4])),
        "…1 images in both, first: 00000002_000.png…",
    ),
    "list_repeats": BadInput(
        "an image twice in a list",
        listed(lines(NAMES[3:] + NAMES[3:4]), lines(NAMES[:3])),
        "train_val_list.txt: 1 names twice, first: 00000002_000.png…",
    ),
    "list_gap": BadInput(
        "an image in neither list",
        listed(lines(NAMES[4:]), lines(NAMES[:3])),
        "train_val_list.txt and test_list.txt: 1 of the table's 9 images are in neither list, "
        "first: 00000002_000.png, where names are such as 00000002_001.png; remove both lists for "
        "a random split",
    ),
    "list_patient": BadInput(
        "a patient in both lists",
        split_of_lists(NAMES[4:], NAMES[:4]),
        of_split=True,
        says="the official lists divide 1 patients between train_val and test, first: patient 2; "
        "expected whole patients",
    ),
    "list_of_no_test": BadInput(
        "lists with no test image",
        split_of_lists(NAMES, ["99999999_000.png"]),
        of_split=True,
        says="the official lists have none of these 9 images for test; use a cohort with images "
        "of both lists, or remove both lists for a random split",
    ),
    "list_unknown": BadInput(
        "names in a list that the table lacks",
        with_unknown_name,
        read_as="the others; they are counted in the report",
    ),
    "list_crlf": BadInput(
        "lists with Windows' line ends, blank lines and a byte order mark",
        both_lists("\ufeff" + "\r\n\r\n".join(NAMES[3:]), "\r\n".join(NAMES[:3])),
        read_as="the lists",
    ),
}


def boxed(rows: str, **options: object) -> Callable[[Path], Path]:
    """A call with this list of boxes."""
    return refused(texts={"BBox_List_2017.csv": BOX_HEADER + rows}, **options)


def box_is(rows: str, finding: str, *corners: float) -> Callable[[Path], None]:
    """A call with a list of one box, which comes out so."""

    def call(folder: Path) -> None:
        (box,) = read_boxes(boxed(rows)(folder) / "boxes.parquet").to_dict("records")
        assert box["finding"] == finding
        assert [box[name] for name in ("x1", "y1", "x2", "y2")] == pytest.approx(corners)

    return call


def boxes_used(rows: str, number: int, **dropped: int) -> Callable[[Path], None]:
    """A call with this list of boxes, of which so many are used."""

    def call(folder: Path) -> None:
        cache = boxed(rows)(folder)
        assert len(read_boxes(cache / "boxes.parquet")) == number
        report = json.loads((cache / "report.json").read_text())["boxes"]
        reasons = {reason.replace("_", " "): count for reason, count in dropped.items()}
        assert report["dropped"] == reasons

    return call


BOX = f"{NAMES[1]},Mass,4,8,20,40\n"
LIST = "BBox_List_2017.csv, row 3: "

BOXES = {
    "box_infiltrate": BadInput(
        "`Infiltrate`, as the official list calls Infiltration",
        box_is(BOX.replace("Mass", "Infiltrate"), "Infiltration", 1 / 12, 1 / 6, 0.5, 1),
        read_as="Infiltration",
    ),
    "box_finding": BadInput(
        "a box of an unknown finding",
        boxed(BOX + BOX.replace("Mass", "Tumour")),
        LIST + "Finding Label is 'Tumour'; expected one of the 14 findings or Infiltrate",
    ),
    "box_text": BadInput(
        "a corner that is no number",
        boxed(BOX + BOX.replace(",4,", ",left,")),
        LIST + "Bbox [x is 'left'; expected a number of pixels",
    ),
    "box_nan": BadInput(
        "NaN as a corner",
        boxed(BOX + BOX.replace(",8,", ",nan,")),
        LIST + "y is 'nan'; expected a number of pixels",
    ),
    "box_infinite": BadInput(
        "an infinite corner",
        boxed(BOX + BOX.replace(",8,", ",inf,")),
        LIST + "y is 'inf'; expected a number of pixels",
    ),
    "box_negative_width": BadInput(
        "a negative width",
        boxed(BOX + BOX.replace(",20,", ",-20,")),
        LIST + "w is '-20'; expected a width above 0",
    ),
    "box_no_height": BadInput(
        "a height of 0",
        boxed(BOX + BOX.replace(",40\n", ",0\n")),
        LIST + "h] is '0'; expected a height above 0",
    ),
    "box_cells": BadInput(
        "a row with too few numbers",
        boxed(BOX + BOX.replace(",40\n", "\n")),
        LIST + "5 cells; expected 6",
    ),
    "box_ending": BadInput(
        "a box of `00000001_001.jpg`, where the table says .png",
        box_is(BOX.replace(".png", ".jpg"), "Mass", 1 / 12, 1 / 6, 0.5, 1),
        read_as="the box of that image",
    ),
    "box_outside": BadInput(
        "a box outside its image",
        boxes_used(BOX + BOX.replace(",4,8,", ",-50,8,"), 1, outside_its_image=1),
        read_as="the other boxes; it is counted in the report",
    ),
    "box_beyond_the_edge": BadInput(
        "a box that reaches beyond the edge",
        box_is(BOX.replace(",4,", ",30,"), "Mass", 0.625, 1 / 6, 1, 1),
        read_as="a box that ends at the edge",
    ),
    "box_unknown_image": BadInput(
        "a box of an image that the table lacks",
        boxes_used(BOX + BOX.replace(NAMES[1], "a.png"), 1, image_not_in_the_table=1),
        read_as="the other boxes; it is counted in the report",
    ),
    "box_frame_unclear": BadInput(
        "boxes in pixels of other images than these",
        boxed(
            "".join(f"{NAMES[n]},Mass,4,8,{2400 + n},{2700 - n}\n" for n in range(9)),
            box_frame="auto",
        ),
        "the 9 boxes are neither fractions, nor pixels of these files, nor of NIH's 1024 x 1024 "
        "px: they reach to x = 2412 and y = 2708, the files are …; say which with "
        "ingest.box_frame: …",
    ),
    "box_frame_wrong": BadInput(
        "`ingest.box_frame: fractions` for boxes in pixels",
        boxed(
            "".join(f"{NAMES[n]},Mass,4,8,20,{30 - n}\n" for n in range(9)),
            box_frame="fractions",
        ),
        "ingest.box_frame: fractions: 9 of 9 boxes reach beyond fractions of the image; …",
    ),
    "box_frame_without_sizes": BadInput(
        "`ingest.box_frame: original` with a table that does not give their sizes",
        refused(
            texts={
                V2020: "\n".join(",".join(line.split(",")[:7]) for line in TABLE.splitlines()),
                "BBox_List_2017.csv": BOX_HEADER + BOX,
            },
            box_frame="original",
        ),
        "ingest.box_frame: original: the table does not say how large the originals of 1 boxes "
        "are, first: 00000001_001.png",
    ),
}
