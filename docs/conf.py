"""The site that `make docs` builds: README.md, docs/ and the pages that they link to.

The pages stay plain Markdown, which GitHub shows as it is. So the source folder is the whole
checkout, where their links lead, and what Sphinx wants beside them is added here as it reads.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "Chest X-ray diagnosis"
html_title = project
language = "en"
extensions = ["myst_parser"]

root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/*.md",
    "benchmarks/RESULTS.md",
]
exclude_patterns = [".*", "build", "data", "mlartifacts", "pipeline", "report", "tests"]

myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4  # the headings' own names, as on GitHub

html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_use_index = False  # of terms that are marked as such: there are none
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_search_summary = False  # it would fetch pages, which a browser refuses from file://

BESIDE = ("README", "CONTRIBUTING", "CHANGELOG", "benchmarks/RESULTS")
"""Pages outside docs/, which stand last in the sidebar."""

ENTRY = (
    '<!doctype html><meta charset="utf-8"><title>{title}</title>'
    '<meta http-equiv="refresh" content="0; url={page}"><a href="{page}">{title}</a>\n'
)


def contents(index: str) -> dict[str, list[str]]:
    """What the sidebar lists: the pages of each group of `docs/index.md`, and those outside."""
    _, *groups = re.split(r"^## ", index, flags=re.M)
    listed = {}
    for group in groups:
        title, _, body = group.partition("\n")
        listed[title] = [f"/docs/{name}" for name in re.findall(r"\]\((\w+)\.md\)", body)]
    return listed | {"Beside them": [f"/{name}" for name in BESIDE]}


def add_contents(_: Sphinx, page: str, source: list[str]) -> None:
    """Put a hidden table of contents behind the index, which needs none on GitHub."""
    if page == root_doc:
        for title, pages in contents(source[0]).items():
            listed = "\n".join(pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{listed}\n```\n"


def add_entry(app: Sphinx, error: Exception | None) -> None:
    """Let `index.html` at the top of the site lead to the first page."""
    if error is None:
        page = ENTRY.format(title=project, page=f"{root_doc}.html")
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the two to what Sphinx does."""
    app.connect("source-read", add_contents)
    app.connect("build-finished", add_entry)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
