"""What a person is told to type can be typed: programs, options, targets, params and files."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from checked import faults, overrides
from typed import LANGUAGES, PAGES, fences, spans, split, typed_on

from pipeline.params.whole import parse_params
from pipeline.tracking.origin import flatten

pytestmark = pytest.mark.xdist_group("docs")  # which import all commands, once

REPO = Path(__file__).parents[2]

REFUSED = {"resnet51": "unknown backbone", "nosuch": "unknown backbone"}
"""Values that pages show being refused, and how."""


def ids(page):
    return page.relative_to(REPO).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_block_of_code_says_what_it_is(page):
    assert {language for language, _ in fences(page.read_text())} <= LANGUAGES


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_command_may_be_typed_as_it_stands(page):
    found = [(one.text, fault) for one in typed_on(page) for fault in faults(one)]
    shown = {value for value in REFUSED if any(f"={value}" in text for text, _ in found)}
    unexpected = [
        (text, fault)
        for text, fault in found
        if not any(f"={value}" in text and REFUSED[value] in fault for value in shown)
    ]
    assert unexpected == []


def test_there_are_commands_of_every_kind():
    words = [one.words for page in PAGES for one in typed_on(page)]
    assert len(words) > 150
    called = {one[0] for one in words}
    assert called >= {"cxr", "dvc", "git", "make", "mlflow", "pip", "pytest", "python", "sed"}


PARAMS = flatten(yaml.safe_load((REPO / "params.yaml").read_text()))

SECTIONS = {leaf.partition(".")[0] for leaf in PARAMS}

NO_KEYS = {
    "model.json", "model.onnx", "global.safetensors", "local.safetensors", "model.fusion",
    "train.csv",
}  # fmt: skip
"""What looks like a key of params.yaml, and is a file or a system."""

WITH = {"crop.windows": ["crop.method=cam"]}
"""What must have another value, too, as the page says beside it."""


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "bad_inputs"], ids=ids)
def test_every_key_of_the_params_is_there_and_may_have_its_value(page):
    for span in spans(page.read_text()):
        named = re.fullmatch(r"([a-z_]+(?:\.\w+)+)(?:: ([\w.]+))?", span)
        if named and named[1].partition(".")[0] in SECTIONS and named[1] not in NO_KEYS:
            key, value = named.groups()
            assert any(f"{leaf}.".startswith(f"{key}.") for leaf in PARAMS), span
            given = [f"{key}={value}", *WITH.get(key, [])] if value else []
            assert overrides(given) == [], span


def test_every_section_of_params_may_stand_in_the_file():
    blocks = [text for page in PAGES for language, text in fences(page.read_text())
              if language == "yaml"]  # fmt: skip
    assert blocks
    for text in blocks:
        values = yaml.safe_load((REPO / "params.yaml").read_text())
        for section, given in yaml.safe_load(text).items():
            values[section] |= given
        parse_params(values)


def test_every_value_behind_a_bare_option_may_be_given():
    bare = [span for page in PAGES for span in spans(page.read_text()) if span[:3] == "-S "]
    assert len(bare) > 2
    for span in bare:
        whole = re.sub(r"(?<=@sha256:)\w+\.\.\.", "0" * 64, span.replace("<name>", "regnety_016"))
        assert overrides(shlex.split(whole)[1:]) == [], span


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("cxr predikt a.png", "no command of cxr: predikt"),
        ("cxr predict a.png --shiny", "No such option: --shiny"),
        ("cxr compare --sort beauty", "does not sort by beauty"),
        ("make demmo", "No rule to make target"),
        ("make compare T=auroc", "the Makefile knows no T"),
        ("make compare S=beauty", "does not sort by beauty"),
        ("make recipe R=nothing", "no recipe: nothing"),
        ("dvc repo", "invalid choice: 'repo'"),
        ("dvc repro --gently", "unrecognized arguments: --gently"),
        ("dvc repro train_golbal@model", "no stage or file: train_golbal@model"),
        ("dvc exp run -S model.globl=resnet18", "model.globl"),
        ("dvc exp run -S 'model.global=resnet18,resnet19'", "unknown backbone"),
        ("dvc exp run -S crop.threshold=2", "crop.threshold"),
        ("pip install '.[dicm]'", "no extra: dicm"),
        ("pip install leftpad", "no package of an extra: leftpad"),
        ("python -m benchmarks.map", "no module: benchmarks.map"),
        ("pytest tests/unti", "no such test: tests/unti"),
        ("pytest -m slwo", "no marker: slwo"),
        ("pytest -p tests.coverage_gate", "python -m pytest finds tests.coverage_gate, pytest"),
        ("python -m pytest -p tests.coverage_gat", "no plugin: tests.coverage_gat"),
        ("git checkout prams.yaml", "git has no prams.yaml"),
        ("git chekout .", "no command of git: chekout"),
        ("rm -r pipeline", "git does not ignore pipeline"),
        ("CXR_TRACKNG=off dvc repro", "nothing reads the variable CXR_TRACKNG"),
        ("export MLFLOW_TRACKNG_URI=x", "nothing reads the variable MLFLOW_TRACKNG_URI"),
        ("source .env/bin/activate", "no such script"),
        ("sed -i 's/leraning_rate: .*/x/' params.yaml", "changes nothing"),
        ("conda activate", "nobody checks 'conda'"),
        ("dvc status && cxr tabels", "no command of cxr: tabels"),
    ],
)
def test_a_command_that_has_rotted_is_found(line, fault):
    found = [one for command in split(line, "") for one in faults(command)]
    assert any(fault in one for one in found), found
