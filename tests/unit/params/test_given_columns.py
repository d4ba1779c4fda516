"""`--columns`: a layout by its name, or a file with the keys of `ingest.columns`."""

from pathlib import Path
from typing import get_args

import pytest
import yaml

from benchmarks.other_cohort import COLUMNS
from pipeline.errors import ParamsError
from pipeline.params.columns import ColumnsParams, LayoutName
from pipeline.params.given_columns import columns_given

REPO = Path(__file__).parents[3]


@pytest.mark.parametrize("name", get_args(LayoutName))
def test_a_name_is_itself(name):
    assert columns_given(name) == name


@pytest.mark.parametrize(
    "around",
    [lambda own: own, lambda own: {"columns": own}, lambda own: {"ingest": {"columns": own}}],
)
def test_a_file_is_the_section_alone_or_params_that_hold_it(tmp_path, around):
    path = tmp_path / "columns.yaml"
    path.write_text(yaml.safe_dump(around(COLUMNS)))
    assert columns_given(str(path)) == ColumnsParams(**COLUMNS)


def test_params_that_name_a_layout_name_it():
    assert columns_given(str(REPO / "params.yaml")) == "nih"


@pytest.mark.parametrize(
    ("told", "content", "said"),
    [
        ("nhi", None, "--columns nhi: no such layout; expected nih, chexpert, "),
        ("none.yaml", None, "none.yaml: no such file"),
        ("a.yaml", COLUMNS | {"imege": "x"}, "a.yaml: imege: unknown key; did you mean image?"),
        ("a.yaml", COLUMNS | {"image": 3}, "a.yaml: image: input should be a valid string"),
        ("a.yaml", {"image": "file"}, "a.yaml: tables: missing"),
        ("a.yaml", "chest", "a.yaml: the file: "),
    ],
)
def test_what_is_wrong_is_named(tmp_path, monkeypatch, told, content, said):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(told).write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError) as refused:
        columns_given(told)
    assert said in str(refused.value)
