"""`cxr predict`: what is found, what is written, what is said, and how it ends."""

import csv
import json
import sys

import cv2
import numpy as np
import pandas as pd
import pytest
from made_dicom import REAL, dataset, file_of, needs_real
from made_model import radiographs

from pipeline.base.findings import FINDINGS
from pipeline.cohort.reading.images import decode_grey
from pipeline.commands.cli import app
from pipeline.predict.answers import as_row, columns_of
from pipeline.predict.many import stream

pytestmark = pytest.mark.xdist_group("predict")


@pytest.fixture
def folder(tmp_path):
    """Three radiographs, one below another folder; a text and what macOS leaves."""
    (tmp_path / "in/deep").mkdir(parents=True)
    for name, png in zip(("b.png", "deep/a.PNG", "a.png"), radiographs(), strict=False):
        (tmp_path / "in" / name).write_bytes(png)
    (tmp_path / "in/notes.txt").write_text("none")
    (tmp_path / "in/._a.png").write_text("none")
    return tmp_path / "in"


@pytest.fixture
def cxr(monkeypatch, capsys, model_folder):
    """Call `cxr predict` with the packaged model: status, stdout, stderr."""

    def call(*words):
        line = ["cxr", "predict", "--model", str(model_folder), *map(str, words)]
        monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as ended:
            app()
        said = capsys.readouterr()
        is_line = isinstance(ended.value.code, str)
        return (
            1 if is_line else ended.value.code,
            said.out,
            ended.value.code if is_line else said.err,
        )

    return call


def names(out):
    return [json.loads(line)["image"].rpartition("in/")[2] for line in out.splitlines()]


def test_a_folder_is_its_radiographs_in_order(cxr, folder):
    status, out, _ = cxr(folder, "--format", "json")
    assert status == 0
    assert names(out) == ["a.png", "b.png", "deep/a.PNG"]


def test_a_pattern_files_and_a_folder_are_each_file_once(cxr, folder):
    status, out, _ = cxr(folder / "b.png", f"{folder}/*.png", folder, "--format", "json")
    assert status == 0
    assert names(out) == ["b.png", "a.png", "deep/a.PNG"]


@pytest.mark.parametrize(
    "header", ["Image Index,Patient Age,Patient Sex,View Position", "path,age,gender,view"]
)
def test_a_csv_says_who_the_patients_are(cxr, folder, header):
    (folder / "list.csv").write_text(f"{header}\nb.png,058Y,F,AP\ndeep/a.PNG,,,\n")
    status, out, _ = cxr(
        folder / "list.csv", "--age", "30", "--gender", "male", "--format", "json"
    )
    assert status == 0
    assert names(out) == ["b.png", "deep/a.PNG"]
    first, second = (json.loads(line)["patient"] for line in out.splitlines())
    assert first == {"age": 58, "gender": "F", "view": "AP"}
    assert second == {"age": 30, "gender": "M", "view": None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,age\na.png,old\n", "row 2: age is 'old'; expected an age such as 58"),
        ("path,view\na.png,LL\n", "row 2: view is 'LL'; expected PA or AP, or nothing"),
        ("patient,age\na.png,3\n", "lacks the columns ['Image Index']"),
    ],
)
def test_a_csv_that_is_wrong_is_refused_before_anything_is_predicted(cxr, folder, text, said):
    (folder / "list.csv").write_text(text)
    status, out, error = cxr(folder / "list.csv")
    assert (status, out) == (1, "")
    assert said in error


def test_a_file_that_cannot_be_read_is_named_and_ends_nothing(cxr, folder):
    (folder / "c.png").write_bytes(radiographs()[3][:500])
    status, out, error = cxr(folder, folder / "none.png", "--format", "json")
    assert status == 3
    lines = [json.loads(line) for line in out.splitlines()]
    faults = {one["image"].rpartition("/")[2]: one["error"] for one in lines if "error" in one}
    assert list(faults) == ["c.png", "none.png"]
    assert faults["c.png"].startswith("a truncated PNG")
    assert "No such file" in faults["none.png"]
    assert len(lines) == 5
    assert f"{folder / 'c.png'}: a truncated PNG" in error


def test_where_nothing_can_be_read_the_status_is_that_of_an_error(cxr, folder):
    status, _, error = cxr(folder / "notes.txt", "--format", "json")
    assert status == 1
    assert "none of 1 files could be predicted" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x/*.png"], "x/*.png: no file matches this pattern"),
        (["in", "--age", "x"], "--age x; expected years"),
        (["in", "--overlay"], "--overlay writes files; name their folder with --out"),
        (["in", "--format", "parquet"], "--format parquet writes files"),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_line(cxr, folder, monkeypatch, words, said):
    monkeypatch.chdir(folder.parent)
    status, out, error = cxr(*words)
    assert (status, out) == (1, "")
    assert said in error
    assert "\n" not in error


def test_a_folder_without_radiographs_says_what_there_is(cxr, tmp_path):
    (tmp_path / "a.nii").touch()
    assert "there are 1 .nii files" in cxr(tmp_path)[2]


def test_csv_json_and_parquet_say_the_same(cxr, folder, tmp_path):
    (folder / "c.png").write_text("none")
    out = tmp_path / "out"
    for kind in ("csv", "json", "parquet"):
        assert cxr(folder, "--out", out, "--format", kind, "--age", "50")[0] == 3
    assert sorted(path.name for path in out.iterdir()) == [
        "predictions.csv", "predictions.jsonl", "predictions.parquet",
    ]  # fmt: skip
    table = pd.read_parquet(out / "predictions.parquet")
    with (out / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = [*map(json.loads, (out / "predictions.jsonl").read_text().splitlines())]
    assert list(table["image"]) == [row["image"] for row in rows] == [o["image"] for o in lines]
    assert list(table["error"].notna()) == [False, False, True, False]
    for at, (row, line) in enumerate(zip(rows, lines, strict=True)):
        if "error" in line:
            assert row["error"] == line["error"] == table["error"][at]
            continue
        for name in FINDINGS:
            one = line["findings"][name]
            assert float(row[f"raw_{name}"]) == one["raw"] == table[f"raw_{name}"][at]
            assert float(row[f"probability_{name}"]) == one["probability"]
            assert row[f"call_{name}"] == {True: "True", False: "False", None: ""}[one["call"]]
            assert table[f"share_two_{name}"][at] == one["shares"]["two"]


def test_a_table_has_the_columns_that_it_declares(model):
    found = model(decode_grey(radiographs()[0]).pixels)
    assert list(as_row(found)) == [*columns_of(["one", "two"])]


def test_few_radiographs_are_said_in_full_and_many_in_a_line_each(cxr, folder):
    _, out, error = cxr(folder / "a.png", "--age", "50", "--gender", "F", "--view", "PA")
    lines = out.splitlines()
    assert lines[0] == str(folder / "a.png")
    assert lines[1].split() == [
        "finding", "call", "probability", "threshold", "above", "raw", "one", "two",
    ]  # fmt: skip
    assert (
        len([line for line in lines if line.startswith(tuple(FINDINGS)) or "Pleural" in line])
        == 14
    )
    assert "Research use only" in error
    for at in range(5):
        (folder / f"{at}.png").write_bytes(radiographs()[at])
    assert len(cxr(folder)[1].splitlines()) == 8


def test_pictures_of_files_of_one_name_are_both_written(cxr, folder, tmp_path):
    out = tmp_path / "out"
    status, *_ = cxr(folder / "a.png", folder / "deep", "--overlay", "--out", out)
    assert status == 0
    pictures = [cv2.imread(str(out / name)) for name in ("a.png", "a_2.png")]
    assert pictures[0].shape == pictures[1].shape
    assert not np.array_equal(*pictures)


def test_memory_does_not_grow_with_the_number_of_files(model, folder, monkeypatch):
    """At most a few batches are decoded and not yet predicted."""
    begun = []
    read = stream._read
    monkeypatch.setattr(stream, "_read", lambda *a, **k: begun.append(1) or read(*a, **k))
    sources = [stream.Source(folder / "a.png")] * 200
    ahead = [
        len(begun) - answered
        for answered, _ in enumerate(
            stream.predict_files(model, sources, stream.Tags(), lateral=False)
        )
    ]
    assert len(ahead) == 200
    assert max(ahead) <= 4 * stream.BATCH


def test_no_identifier_of_a_dicom_file_is_written_or_said(cxr, tmp_path):
    pixels = decode_grey(radiographs()[0]).pixels
    secrets = {"PatientName": "Roe^Jane", "PatientID": "MRN-4711", "PatientBirthDate": "19601231",
               "AccessionNumber": "ACC-99", "InstitutionName": "Saint Nowhere"}  # fmt: skip
    (tmp_path / "a.dcm").write_bytes(
        file_of(dataset(pixels, bits=8, PatientAge="058Y", **secrets))
    )
    out = tmp_path / "out"
    said = [
        "".join(map(str, cxr(tmp_path / "a.dcm", "--out", out, "--format", kind, "--overlay")))
        for kind in ("csv", "json", "parquet")
    ]
    written = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    for secret in secrets.values():
        assert secret.encode() not in written
        assert not any(secret in one for one in said)
    assert "58" in (out / "predictions.csv").read_text()


@needs_real
def test_a_ct_is_refused_and_a_miscalled_monochrome1_comes_out_right(cxr):
    status, out, error = cxr(REAL, "--format", "json")
    assert status == 3
    assert "reject_modality_ct.dcm: a DICOM file of modality CT; expected a radiograph" in error
    notes = {
        one["image"].rpartition("/")[2]: one.get("notes", [])
        for one in map(json.loads, out.splitlines())
    }
    assert "call themselves MONOCHROME1" in notes["monochrome1.dcm"][0]
