"""The page's files: all are installed, load nothing from elsewhere, and can be read."""

import re
import tomllib
from pathlib import Path

import pytest

from pipeline.predict.service.app import PAGE

REPO = Path(__file__).parents[4]
FILES = sorted(PAGE.iterdir())

TEXTS = [
    ("ink", "page"), ("ink", "card"), ("ink", "track"), ("quiet", "page"), ("quiet", "card"),
    ("quiet", "track"), ("accent", "page"), ("accent", "card"), ("accent", "track"),
    ("page", "accent"), ("warn", "warn-page"), ("use-ink", "use"),
]  # fmt: skip
"""What is written in which colour on which."""

SHAPES = [("mark", "track"), ("bar-called", "track"), ("warn-line", "page"), ("accent", "page")]


def colours(scheme):
    """By name, as the style sheet has them in a colour scheme."""
    light, dark = (PAGE / "style.css").read_text().split("@media (prefers-color-scheme: dark)")
    found = dict(re.findall(r"--([\w-]+): (#\w{6})", light))
    return found | (dict(re.findall(r"--([\w-]+): (#\w{6})", dark)) if scheme == "dark" else {})


def luminance(colour):
    """Relative luminance (WCAG 2.2)."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(weight * s for weight, s in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_black_on_white_has_the_most_contrast():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_and_shapes_told_apart_in_both_colour_schemes(scheme):
    known = colours(scheme)
    for least, pairs in ((4.5, TEXTS), (3, SHAPES)):
        low = {pair: contrast(*(known[name] for name in pair)) for pair in pairs}
        assert {pair: value for pair, value in low.items() if value < least} == {}


def test_every_file_of_the_page_is_installed():
    settings = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = settings["package-data"]["pipeline.predict.service"]
    package = PAGE.parent
    installed = {path for pattern in patterns for path in package.glob(pattern)}
    assert {*FILES} == installed
    assert len(FILES) > 10


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_no_file_of_the_page_names_another_place(file):
    known = {"http://www.w3.org/2000/svg"}
    assert {*re.findall(r"https?://[^\s\"'`]+", file.read_text())} <= known
