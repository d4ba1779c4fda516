"""docs/numbers.yaml says where every measured number of README.md and docs/ comes from."""

import json
import re
from pathlib import Path

import pytest
from checked import PROGRAMS
from checked import faults as faults_of_command
from measured import (
    Holder,
    Traced,
    all_sections,
    digest,
    fault,
    faults,
    holder,
    measured,
    read_ledger,
    sections,
    untraced,
)
from typed import split

REPO = Path(__file__).parents[2]

pytestmark = pytest.mark.xdist_group("docs")  # which import all commands, once


@pytest.mark.usefixtures("_as_committed")
def test_every_measured_number_is_traced():
    assert faults(read_ledger(), all_sections()) == []


def test_what_printed_numbers_can_still_be_typed():
    runs = [entry.printed_by.partition(";")[0] for entry in read_ledger().values()]
    commands = [run for run in runs if run.partition(" ")[0] in PROGRAMS]
    assert len(commands) > 10
    typed = [one for run in commands for one in split(run, "") if one.words[0] in PROGRAMS]
    assert [fault for one in typed for fault in faults_of_command(one)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("an AUROC of 0.804 (0.787 to 0.819)", ["0.804", "0.787", "0.819"]),
        ("a lead of -0.083, +0.011", ["-0.083", "+0.011"]),
        ("29 GB of disk, 4 minutes, 18 s, 10.8 %", ["29", "4", "18", "10.8"]),
        ("1,310 images a second on 692 test images", ["1,310", "692"]),
        ("224 x 224 pixels, 14 findings, 3 members", []),
        ("version v1.2.3 at a.b/0.5.html, arXiv:1801.09927", []),
    ],
)
def test_what_looks_measured(text, found):
    assert measured(text) == found


def test_numbers_belong_to_the_heading_above_them():
    page = (
        "# A\n0.1\n## B `c`, d\n```text\n# 0.2\n$ x 0.3\n```\n`y: 0.4` 95 %\n"
        "<!-- Written by x -->\n0.5\n<!-- End of x. -->\n"
    )
    found = {place: measured(text) for place, text in sections("p.md", page).items()}
    assert {place: numbers for place, numbers in found.items() if numbers} == {
        "p.md#a": ["0.1"],
        "p.md#b-c-d": ["0.2"],
    }


def test_a_value_is_found_by_the_digits_that_are_given_and_as_a_share():
    metrics = Holder((), [0.803849, 0.0053])
    assert "0.804" in metrics
    assert "0.80" in metrics
    assert "80.4" in metrics
    assert "0.803" not in metrics
    assert "+0.0053" in metrics
    assert "1,024" in Holder(["1_024"])
    assert "30" in Holder(["30.0"])


def test_a_number_that_moves_is_found():
    held = f"{json.loads((REPO / 'metrics/evaluate.json').read_text())['auroc']:.3f}"
    assert untraced([held, "0.123"], ["metrics/evaluate.json:auroc"]) == ["0.123"]
    assert "name what does" in fault(Traced(("metrics/evaluate.json",), "", ""), ["0.7921"])
    printed = Traced((), "make zoo", digest(["0.1", "0.2"]))
    assert fault(printed, ["0.1", "0.2"]) == ""
    assert "0.3" in fault(printed, ["0.1", "0.3"])
    assert "remove printed_by" in fault(Traced(("pyproject.toml",), "make zoo", ""), ["3.11"])
    assert faults({"p.md#a": printed}, {}) == [
        "p.md#a: no measured number stands there; remove the entry"
    ]


@pytest.mark.parametrize(
    ("source", "lack"),
    [
        ("metrics/none.json", "no such file: metrics/none.json"),
        ("metrics/evaluate.json:auruc", "no number there"),
        ("docs/demo.md#how-long", "docs/demo.md has no section how-long"),
    ],
)
def test_a_source_that_is_not_there_is_named(source, lack):
    with pytest.raises(ValueError, match=re.escape(lack)):
        holder(source)
