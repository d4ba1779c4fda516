"""The page of `dvc plots` in one file, with Vega inside: it needs no network."""

import logging
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.base.files import write_text
from pipeline.base.listing import listed
from pipeline.errors import PipelineError

log = logging.getLogger(__name__)

_TEMPLATE = Path(".dvc/plots/page.html")
_EMPTY = re.compile(r"var spec = \{\};\s*vegaEmbed\('#([^']+)'")
"""A plot of which DVC has no data, and its name."""

_PLOT = "vegaEmbed('#"
_VEGA = "vega.js"
_TAG = f'<script src="{_VEGA}"></script>'
"""What the template has in the place of Vega."""


def draw_plots(revisions: Sequence[str], folder: Path) -> Path:
    """Have DVC overlay the plots of `revisions`, or draw those of this run alone.

    `vega.js` stays beside the page, for pages that `dvc plots` writes there on its own.

    Args:
        revisions: commits, branches or experiments; one is compared with the workspace.
        folder: gets `index.html`.

    Returns:
        The page.

    Raises:
        PipelineError: DVC fails, no plot has data, or Vega is not installed.
    """
    vega, page = _vega(), folder / "index.html"
    write_text(vega, folder / _VEGA)
    page.unlink(missing_ok=True)
    action = ["diff", *revisions] if revisions else ["show"]
    options = ["--out", str(folder), "--html-template", str(_TEMPLATE)]
    command = [sys.executable, "-m", "dvc", "plots", *action, *options]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode or not page.exists():
        raise PipelineError(f"no page: what `dvc plots {' '.join(action)}` says of it is above")
    text = page.read_text(encoding="utf-8")
    try:
        expect_data(text)
    except PipelineError:
        page.unlink()
        raise
    write_text(text.replace(_TAG, f"<script>{vega}</script>"), page)
    return page


def expect_data(page: str) -> None:
    """Make sure that a page of `dvc plots` has something to show; name what it has not.

    Raises:
        PipelineError: none of its plots has data.
    """
    empty = _EMPTY.findall(page)
    remedy = (
        "`dvc repro` makes it, `dvc pull` (`--all-commits` for others) fetches what was pushed"
    )
    if len(empty) == page.count(_PLOT):
        raise PipelineError(f"no page: none of its {len(empty)} plots has data here; {remedy}")
    if empty:
        log.warning("%d plots have no data here: %s; %s", len(empty), listed(empty), remedy)


def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed, of the releases that the templates are written for."""
    try:
        import vl_convert  # noqa: PLC0415 - not everybody has it
    except ImportError:
        raise PipelineError(
            "Vega comes with vl-convert-python, which is not installed; `make setup` has it, "
            "elsewhere: pip install vl-convert-python"
        ) from None
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", "5.21"))
