"""The built site as a browser would see it: what its pages hold, link to and load."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """One page: the ids in it, where its links lead, what it loads, and the tags around tables."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.around_tables: list[str] = []
        self.images_without_text: list[str] = []
        self.viewport = ""
        self._last = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids.add(values.get("id", ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in {"script", "img", "iframe", "source"} and "src" in values:
            self.loaded.append(values["src"])
        if tag == "link" and values.get("rel") in {"stylesheet", "icon", "preload"}:
            self.loaded.append(values["href"])
        if tag == "img" and not values.get("alt"):
            self.images_without_text.append(values.get("src", ""))
        if tag == "table":
            self.around_tables.append(self._last)
        if tag == "meta" and values.get("name") == "viewport":
            self.viewport = values["content"]
        self._last = f"{tag}.{values.get('class', '')}"


def read_pages(site: Path) -> dict[Path, Page]:
    """Every page of it, but for what Sphinx's theme keeps as parts."""
    return {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}


def dead(pages: dict[Path, Page]) -> list[tuple[str, str]]:
    """What is linked or loaded within the site, and is not there."""
    return [
        (page.path.name, link)
        for page in pages.values()
        for link in [*page.links, *page.loaded]
        if not _leads_somewhere(link, page, pages)
    ]


def elsewhere(page: Page) -> list[str]:
    """What it loads from a network."""
    return [
        one for one in page.loaded if urlsplit(one).scheme in {"http", "https"} or one[:2] == "//"
    ]


def _leads_somewhere(link: str, page: Page, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (
        (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path.resolve()
    )
    if not target.is_file():
        return False
    anchor = unquote(parts.fragment)
    return not anchor or target not in pages or anchor in pages[target].ids


def search_index(site: Path) -> dict[str, Any]:
    """What the search looks in: a script, which a page may load from file://."""
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    found = re.fullmatch(r"Search\.setIndex\((.*)\)\s*", text, re.S)
    assert found, text[:80]
    index: dict[str, Any] = json.loads(found[1])
    return index


def pages_with(index: dict[str, Any], stem: str) -> set[str]:
    """Pages whose titles or text have the stem of a word."""
    found = set()
    for where in ("terms", "titleterms"):
        numbers = index[where].get(stem, [])
        found |= {numbers} if isinstance(numbers, int) else {*numbers}
    return {index["docnames"][number] for number in found}
