"""Example output in README.md and docs/ is what the project prints today."""

from pathlib import Path

import pytest
import yaml
from examples import EXAMPLES, FIRST, LAST, RECORDED, fenced, rewritten

REPO = Path(__file__).parents[2]


@pytest.mark.usefixtures("_as_committed")
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_has_the_example_as_it_is_written_now(name):
    file, example = EXAMPLES[name]
    page = (REPO / file).read_text()
    assert rewritten(page, name, example()) == page, "`make examples` writes it"


def test_every_example_on_a_page_is_one_of_them():
    for page in (REPO / "README.md", *(REPO / "docs").glob("*.md")):
        text = page.read_text()
        known = [name for name in EXAMPLES if FIRST.format(name) in text]
        assert text.count(FIRST.partition("{")[0]) == len(known), page.name


def test_what_was_recorded_is_of_both_ends():
    for name, one in yaml.safe_load(RECORDED.read_text()).items():
        assert one["command"].startswith(f"dvc exp run -n {name} ")
        assert one["main"]["figures"].keys() == one[name]["figures"].keys()
        assert one["main"]["params"].keys() == one[name]["params"].keys()


def test_only_what_is_between_the_comments_is_written():
    first, last = FIRST.format("x"), LAST.format("x")
    once = rewritten(f"a\n{first}\nold\n{last}\nb\n", "x", fenced("new  \n  \nend"))
    assert once == f"a\n{first}\n\n```text\nnew\n\nend\n```\n\n{last}\nb\n"
    assert rewritten(once, "x", fenced("new\n\nend")) == once


@pytest.mark.parametrize("text", ["", "{last}\n{first}\n", "{first}\n{first}\n{last}\n"])
def test_a_page_without_a_place_for_the_example_is_refused(text):
    page = text.format(first=FIRST.format("x"), last=LAST.format("x"))
    with pytest.raises(ValueError, match="expected a line <!-- Written by"):
        rewritten(page, "x", "new")
