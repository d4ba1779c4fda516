"""A model on tables, as MLflow calls it: against the model itself, and with broken files."""

import base64
import json

import pandas as pd
import pytest
from made_model import png, radiographs, write_model

from pipeline.predict.answers import as_row, columns_of
from pipeline.predict.model import load_model
from pipeline.predict.table_model import ERROR, TableModel, answer_columns, example


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(write_model(tmp_path_factory.mktemp("package"), members=("model",)))


def text(file):
    return base64.b64encode(file).decode()


def said_of(model, folder, file, **patient):
    (folder / "one").write_bytes(file)
    return as_row(model(folder / "one", **patient))


def test_each_row_is_what_the_model_says_of_that_image_whatever_is_beside_it(model, tmp_path):
    files = [png(seed) for seed in range(18)]  # more than are seen at once
    ages = [None, *map(float, range(20, 37))]
    table = pd.DataFrame({"image": [text(one) for one in files], "age": ages, "gender": "F"})
    answers = TableModel(model).predict(table)
    assert answers[ERROR].isna().all()
    for row in (0, 1, 16, 17):
        expected = said_of(model, tmp_path, files[row], age=ages[row], gender="F")
        found = answers.drop(columns=ERROR).iloc[row].to_dict()
        assert found == pytest.approx(expected, abs=1e-6)


def test_an_image_that_cannot_be_read_is_named_and_costs_no_other_its_answer(model, tmp_path):
    whole = png()
    rows = [
        {"image": text(whole), "age": 50.0},
        {"image": text(whole[:-20])},
        {"image": "no base64!"},
        {"image": None},
        {"image": text(whole), "age": 400.0},
        {"image": text(whole), "view": "LL"},
        {"image": text(whole), "age": 50.0},
    ]
    answers = TableModel(model).predict(pd.DataFrame(rows))
    why = answers[ERROR].tolist()
    assert why[0] is why[6] is None
    assert why[1:6] == [
        "image 1: a truncated PNG: 8 bytes missing at its end or more",
        "image 2: text that is no base64 (Only base64 data is allowed) and starts with "
        "'no base64!'; expected that of a PNG, JPEG or DICOM file",
        "image 3: no image; expected a PNG, JPEG or DICOM file, as base64 text",
        "image 4: age 400.0; expected years, 0 to 120",
        "image 5: view LL; expected PA or AP",
    ]
    assert answers.iloc[1:6].drop(columns=ERROR).isna().all(axis=None)
    expected = said_of(model, tmp_path, whole, age=50.0)
    for row in (0, 6):
        assert answers.drop(columns=ERROR).iloc[row].to_dict() == pytest.approx(expected, abs=1e-6)


def test_answers_are_json_with_null_for_what_is_missing(model):
    table = pd.DataFrame({"image": [text(png()), "broken"]}, index=[7, 9])
    answers = TableModel(model).predict(table)
    assert answers.index.tolist() == [7, 9]
    first, second = json.loads(json.dumps(answers.to_dict("records"), allow_nan=False))
    assert first["age"] is second["raw_Mass"] is first[ERROR] is None
    assert 0 < first["raw_Mass"] < 1


@pytest.mark.parametrize("given", [bytes, text, base64.encodebytes])
def test_an_image_may_be_bytes_or_base64_text_with_line_breaks_or_without(model, given):
    image = given(png())
    table = pd.DataFrame({"image": [image.decode() if given is base64.encodebytes else image]})
    assert TableModel(model).predict(table)[ERROR].tolist() == [None]


def test_columns_are_those_that_are_told_beforehand_and_hold_their_type(model):
    answers = TableModel(model).predict(example().assign(image=text(radiographs()[0])))
    told = answer_columns(model.about.members)
    assert [*answers] == [*told] == [ERROR, *columns_of(["model"])]
    row = answers.iloc[0].dropna().to_dict()
    assert {"raw_Mass", "call_Mass", "view", "share_model_Mass", "warnings"} < {*row}
    assert {name for name, value in row.items() if type(value) is not told[name]} == set()
