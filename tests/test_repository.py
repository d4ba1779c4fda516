"""What git keeps: text and a few small pictures, no package, data or weights; and what it says."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import get_args

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline.commands.cli import COMMANDS
from pipeline.params import names

REPO = Path(__file__).parents[1]
MOST_BYTES = 1_000_000
KEPT_ELSEWHERE = {".whl", ".npy", ".parquet", ".safetensors", ".pt", ".pth", ".db", ".pyc"}


@pytest.fixture(scope="module")
def tracked():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPO, check=True, capture_output=True, text=True
    )
    return [REPO / name for name in listed.stdout.split("\0") if name]


def test_no_tracked_file_is_large_or_made(tracked):
    there = [path for path in tracked if path.exists()]
    assert len(there) > 100
    assert [path for path in there if path.stat().st_size > MOST_BYTES] == []
    assert [path for path in there if path.suffix in KEPT_ELSEWHERE] == []


TOLD = (
    "Makefile", "README.md", "CONTRIBUTING.md", "docs", "recipes", "pipeline",
    "stages", "params.yaml", "dvc.yaml", ".ci",
)  # fmt: skip
"""Where a person is told what to type."""


def told(tracked, pattern):
    """What the pattern's group matches in texts that people read, and where."""
    texts = {
        name: path.read_text()
        for path in tracked
        if path.is_file() and path.suffix not in {".jpg", ".png"}
        for name in [path.relative_to(REPO).as_posix()]
        if name.startswith(TOLD)
    }
    return {(name, word) for name, text in texts.items() for word in re.findall(pattern, text)}


def test_commands_that_people_are_told_to_type_are_there(tracked):
    stages = told(tracked, r"-m stages\.(\w+)")
    commands = told(tracked, r"(?:`|\$ |/|: )cxr (?:\w+=\S+ )*([a-z]+)")
    assert len(stages) > 10
    assert len(commands) > 10
    assert [
        (file, name) for file, name in stages if not (REPO / f"stages/{name}.py").exists()
    ] == []
    assert [(file, name) for file, name in commands if name not in COMMANDS] == []


def test_targets_that_people_are_told_to_make_are_there(tracked):
    there = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.M))
    named = told(tracked, r"`make ([a-z-]+)")
    assert len(named) > 10
    assert [(file, name) for file, name in named if name not in there] == []


@pytest.fixture(scope="module")
def pages(tracked):
    """Every page of Markdown by its path, without its blocks of code."""
    texts = {path: path.read_text() for path in tracked if path.suffix == ".md" and path.exists()}
    return {
        path: re.sub(r"^```.*?^```", "", text, flags=re.M | re.S) for path, text in texts.items()
    }


def anchors(text):
    """What headings are linked by, as on GitHub."""
    heads = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def dead_links(pages):
    """Links to files that are not there, or to headings that a page has not."""
    dead = []
    for page, text in pages.items():
        for link in re.findall(r"(?:\]\(|src=\")(?!\w+://)([^)\"\s]+)", text):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and anchor not in anchors(pages[target])):
                dead.append((page.name, link))
    return dead


def test_links_to_files_and_headings_lead_there(pages):
    assert len(pages) > 5
    assert dead_links(pages) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    page, other = tmp_path / "a.md", tmp_path / "b.md"
    page.write_text(
        "# A b, `c`\n[a](#a-b-c) [b](b.md) [no](#d) [no](no.md) [no](b.md#no) [w](https://a.org/no)"
        '<img src="no.jpg">'
    )
    other.write_text("")
    pages = {path: path.read_text() for path in (page, other)}
    assert [link for _, link in dead_links(pages)] == ["#d", "no.md", "b.md#no", "no.jpg"]


FILE = r"`((?:pipeline|stages|tests|docs|\.ci)/[\w./]+|[\w-]+\.(?:yaml|md|toml|lock))`"
PLACE = r"`(\w+)`,? (?:of|in|beside \w+ in) `([\w./]+\.py)`"


def test_what_contributing_names_in_a_file_is_in_that_file():
    text = (REPO / "CONTRIBUTING.md").read_text()
    files, places = set(re.findall(FILE, text)), re.findall(PLACE, text)
    assert len(files) > 20
    assert len(places) > 10
    assert [file for file in files if not (REPO / file).exists()] == []
    for name, file in places:
        defined = rf"^ *(?:def |class )?{name}\b"
        assert re.search(defined, (REPO / file).read_text(), re.M), (name, file)


README, INDEX = REPO / "README.md", REPO / "docs/index.md"


@pytest.fixture(scope="module")
def manual(pages):
    """What a user reads: README.md and docs/."""
    return {path: text for path, text in pages.items() if path.parent == INDEX.parent} | {
        README: pages[README]
    }


def sentences(page):
    """Of the prose, outside tables and headings; what is of three words or fewer is none."""
    prose = re.sub(r"^[|#].*$", "", page, flags=re.M)
    parts = re.split(r"(?<=[.!?])\s+|\n\n|\n(?=- )", prose)
    return [part for part in parts if len(part.split()) > 3]


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 200


def test_sentences_are_short(manual):
    for path, text in manual.items():
        lengths = [len(sentence.split()) for sentence in sentences(text)]
        assert sum(lengths) <= 20 * len(lengths), path.name


def test_a_page_begins_with_the_question_that_it_answers_and_is_listed_by_it(manual):
    listed = {
        page: set(re.findall(r"\]\((?:docs/)?(\w+\.md)\) \| [^|]+\?", manual[page]))
        for page in (README, INDEX)
    }
    for path in manual.keys() - {README, INDEX}:
        first = manual[path].split("\n\n")[1]
        assert re.fullmatch(r"This page answers: [^?]+\?", first), path.name
        assert path.name in listed[README] & listed[INDEX], path.name


def test_every_test_that_the_page_of_reliability_names_is_there():
    page = (REPO / "docs/reliability.md").read_text()
    there = "".join(file.read_text() for file in (REPO / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", page)
    assert len(named) > 30
    assert [name for name in named if f"def {name}(" not in there] == []
    for name, file in re.findall(r"`(test_\w+)` in `([\w./]+)`", page):
        assert f"def {name}(" in (REPO / file).read_text(), (name, file)
    tables = re.findall(r"^\|---.*\n((?:\|.*\n)+)", page, re.M)
    assert [row for rows in tables for row in rows.splitlines() if "`test_" not in row] == []


def test_every_name_that_may_be_chosen_is_explained(manual):
    explained = {word for text in manual.values() for word in re.findall(r"`([\w:]+)`", text)}
    for comment in re.findall(r"#.*", (REPO / "params.yaml").read_text()):
        explained.update(re.findall(r"\w+", comment))
    kinds = (names.HeatmapMethod, names.LossName, names.RegionRule, names.ScheduleName)
    chosen = {*names.BACKBONES, *(word for kind in kinds for word in get_args(kind))}
    assert chosen - explained == set()


def test_licence_and_citation_are_those_of_the_project():
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((REPO / "CITATION.cff").read_text())
    for key in ("version", "license"):
        assert cited[key] == project[key]
    assert cited["title"] == project["name"]
    assert [one["identifiers"][0]["value"] for one in cited["references"]] == [
        "arXiv:1801.09927", "arXiv:1705.02315",
    ]  # fmt: skip
    for name in project["license-files"]:
        assert "Apache License" in (REPO / name).read_text()


def test_the_lock_covers_the_base_every_extra_and_what_builds_the_project():
    project = tomllib.loads((REPO / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    groups = project["dependency-groups"].values()
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    wanted += [one for group in (*extras, *groups) for one in group]
    locked = dict(
        re.findall(r"^([\w.-]+)==([^\s;]+)", (REPO / "requirements.lock").read_text(), re.M)
    )
    assert len(wanted) > 30
    for requirement in map(Requirement, wanted):
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement
