"""The Chromium of this machine, as Playwright drives it; and what a page was seen to do."""

import shutil

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
ALONE = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")

in_a_browser = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")


def watch(page):
    """Every complaint on a page's console, every request, while it is used."""
    complaints, requests = [], []
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    return complaints, requests
