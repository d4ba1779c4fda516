"""`make docs`: a site that opens from a folder, with every page in its search."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from built import dead, elsewhere, pages_with, read_pages, search_index

REPO = Path(__file__).parents[2]
TOLD = ("README", "CONTRIBUTING", "CHANGELOG", "benchmarks/RESULTS")
NAMES = {*TOLD, *(f"docs/{page.stem}" for page in (REPO / "docs").glob("*.md"))}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Built as `make docs` builds it, but for its place; warnings are errors."""
    folder = tmp_path_factory.mktemp("site")
    recipe = re.search(
        r"^docs: .*\n\t@\$\(BIN\)/python (.*)$", (REPO / "Makefile").read_text(), re.M
    )
    words = recipe[1].replace("build/", f"{folder}/").split()
    assert "-W" in words
    done = subprocess.run(
        [sys.executable, *words], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "docs"


@pytest.fixture(scope="module")
def pages(site):
    return read_pages(site)


def test_every_page_is_built_and_found_in_the_search(site, pages):
    built = {path.relative_to(site.resolve()).with_suffix("").as_posix() for path in pages}
    index = search_index(site)
    assert len(NAMES) > 20
    assert built >= NAMES | {"index", "search"}
    assert {*index["docnames"]} == NAMES
    assert "docs/demo" in pages_with(index, "phantom")
    assert "docs/tracking" in pages_with(index, "mlflow")
    assert pages_with(index, "mlflow") < NAMES


def test_links_and_images_lead_somewhere(pages):
    assert sum(len(page.links) for page in pages.values()) > 1000
    assert dead(pages) == []


def test_nothing_is_loaded_from_a_network(pages):
    assert sum(len(page.loaded) for page in pages.values()) > 100
    assert [(page.path.name, elsewhere(page)) for page in pages.values() if elsewhere(page)] == []


def test_the_sidebar_of_every_page_lists_all_pages(site, pages):
    for page in pages.values():
        if page.path.name == "index.html" and page.path.parent == site:
            continue
        listed = {(page.path.parent / link.partition("#")[0]).resolve() for link in page.links}
        listed.add(page.path.resolve())
        missing = [name for name in NAMES if (site / f"{name}.html").resolve() not in listed]
        assert missing == [], page.path


def test_pages_fit_a_telephone_a_dark_room_and_a_screen_reader(site, pages):
    shown = [page for page in pages.values() if page.viewport]
    assert len(shown) > len(NAMES)
    for page in shown:
        assert "width=device-width" in page.viewport
        assert all("table-wrapper" in one for one in page.around_tables), page.path  # scrolls
        assert page.images_without_text == [], page.path
        assert any("site.css" in one for one in page.loaded), page.path
    styles = "".join(path.read_text() for path in (site / "_static").rglob("*.css"))
    assert "prefers-color-scheme: dark" in re.sub(r":\s*dark", ": dark", styles)


def test_what_is_dead_or_elsewhere_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html#x"></a><a href="b.html#no"></a><a href="no.html"></a><a href="#here"></a>'
        '<p id="here"><img src="no.png"><script src="https://a.org/x.js"></script>'
    )
    (tmp_path / "b.html").write_text('<p id="x">')
    pages = read_pages(tmp_path)
    assert [link for _, link in dead(pages)] == ["b.html#no", "no.html", "no.png"]
    assert elsewhere(pages[(tmp_path / "a.html").resolve()]) == ["https://a.org/x.js"]
