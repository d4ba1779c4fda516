"""Where a page's results come from, added to a copy of it."""

from collections.abc import Sequence
from html import escape

from pipeline.errors import ArtifactError

_STRIP = '<dl class="strip">'
_END = "</dl>"


def with_origin(page: str, rows: Sequence[tuple[str, str]]) -> str:
    """A page with more in its first line.

    Args:
        page: that `pipeline.results.report.report` rendered.
        rows: names and texts.

    Raises:
        ArtifactError: it has no such line.
    """
    start = page.find(_STRIP)
    if start < 0:
        raise ArtifactError(
            "report/index.html: is of an older version, without a line that names the run; "
            "`dvc repro report` writes it anew"
        )
    end = page.index(_END, start)
    more = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>\n" for name, text in rows
    )
    return page[:end] + more + page[end:]
